"""Two supervisors share the shards; when one dies the other takes over, and nothing is stored twice."""

from __future__ import annotations

from collections.abc import Callable

from dataprovider.clickhouse import ClickHouse
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, missing_ids, sent_gap_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until


def shards(collectors: RunningCollectors) -> set[int]:
    return {shard for each in collectors.statuses() for shard in each.shards}


def test_shards_are_shared_and_taken_over(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
) -> None:
    exchange = start_exchange(symbols=40, rate=2000, paused=True)
    one = start_collectors(exchange, workers=1, home="one")
    wait_until(lambda: len(shards(one)) == 16, 30, "one host to own every shard")
    two = start_collectors(exchange, workers=1, home="two")
    wait_until(lambda: (len(shards(one)), len(shards(two))) == (8, 8), 60, "both to own half")
    exchange.post("/simulator/start")
    wait_until(lambda: min(one.total("stored"), two.total("stored")) > 1000, 30, "trades of both")
    assert not shards(one) & shards(two)
    one.kill()
    wait_until(lambda: len(shards(two)) == 16, 40, "the other to take over")
    wait_until(lambda: two.total("subscribed") == two.total("symbols") > 30, 20, "every symbol to be subscribed")
    received = two.total("received")
    wait_until(lambda: two.total("received") > received + 4000, 20, "collection to go on")
    exchange.post("/simulator/stop")
    wait_until(
        lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange), 30, "gaps that say what is missing"
    )
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
