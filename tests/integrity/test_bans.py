"""During a ban nobody asks the exchange, whoever restarts; live collection goes on."""

from __future__ import annotations

import pytest

from dataprovider.clickhouse import ClickHouse
from tests.integrity.farm import RECOVERING, StartCollectors, StartExchange, started, wait_until_whole
from tests.waiting import wait_until


@pytest.mark.parametrize("status", [418, 429])
def test_nobody_calls_during_a_ban_also_after_a_restart(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse, status: int
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=5, rate=200)
    exchange.fault("rate_limit", status=status, seconds=40)
    exchange.fault("skip", symbol="BTCUSDT", count=5)
    wait_until(lambda: exchange.state["rest"]["refused"] > 0, 40, "a refusal")
    exchange.delete("/simulator/faults")
    asked = exchange.state["rest"]["requests"]
    collectors.stop()
    again = start_collectors(exchange, **RECOVERING)
    wait_until(lambda: again.total("received") > 500, 30, "live collection, which needs no REST")
    assert exchange.state["rest"]["requests"] == asked
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse, seconds=120)
