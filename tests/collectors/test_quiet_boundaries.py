"""After an interruption a symbol that stays silent gets its verdict from the exchange, not from its next trade."""

from __future__ import annotations

from collections.abc import Callable

from dataprovider.clickhouse import ClickHouse
from tests.fixtures_collectors import RunningCollectors, gap_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until


def test_trades_that_went_by_while_nobody_listened_are_a_gap_though_no_trade_follows(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
) -> None:
    exchange = start_exchange(symbols=5, rate=500)
    first = start_collectors(exchange)
    wait_until(lambda: first.total("stored") > 1000, 30, "1,000 stored trades")
    first.stop()
    # The market goes on without a listener, and is then halted for good.
    newest = last_id(exchange)
    # Each look costs weight, which the collectors need, too.
    wait_until(lambda: last_id(exchange) > newest + 100, 20, "100 more trades", every=0.5)
    exchange.post("/simulator/stop")
    assert gap_ids() == {}
    start_collectors(exchange)
    wait_until(lambda: "BTCUSDT" in gap_ids(), 60, "a gap without any trade after it")
    frontier = max(stored_ids(clickhouse, "BTCUSDT"))
    assert gap_ids()["BTCUSDT"] == set(range(frontier + 1, last_id(exchange) + 1))


def last_id(exchange: RunningExchange) -> int:
    """The highest aggregate id the exchange has of BTCUSDT."""
    found: int = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[-1]["a"]
    return found
