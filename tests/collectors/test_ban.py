"""The exchange bans the address: streams go on, nothing is lost, and nobody asks by REST."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from redis import Redis

from collectors.binance.weight import WeightBudget
from dataprovider.clickhouse import ClickHouse
from tests.fixtures_collectors import RunningCollectors, gap_ids, missing_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until


def test_collection_goes_on_during_a_ban_and_nobody_asks(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
) -> None:
    exchange = start_exchange(symbols=10, rate=1000)
    first = start_collectors(exchange)
    wait_until(lambda: first.total("stored") > 1000, 30, "1,000 stored trades")
    assert first.stop() == 0
    redis = Redis.from_url(settings.CONFIG.redis_url)
    budget = WeightBudget(redis, "default")
    budget.ban(budget.state().now_ms + 3_600_000)
    asked = requests_of(exchange)
    # Whoever starts during the ban knows the contracts from before, asks for none, and collects.
    second = start_collectors(exchange, home="second")
    wait_until(lambda: "banned" in second.log.read_text(), 30, "a sentence about the ban")
    wait_until(lambda: second.total("stored") > 3000, 30, "3,000 stored trades")
    exchange.post("/simulator/stop")
    wait_until(lambda: unexplained(clickhouse, exchange) == {}, 30, "everything to be stored, or in a gap")
    assert second.stop() == 0
    assert requests_of(exchange) == asked
    redis.close()


def unexplained(clickhouse: ClickHouse, exchange: RunningExchange) -> dict[str, set[int]]:
    """Per symbol the ids that are neither stored nor in a gap."""
    gaps = gap_ids()
    missing = missing_ids(clickhouse, exchange.sent)
    return {symbol: ids - gaps.get(symbol, set()) for symbol, ids in missing.items() if ids - gaps.get(symbol, set())}


def requests_of(exchange: RunningExchange) -> int:
    """How many REST requests the exchange was ever asked."""
    return int(exchange.state["rest"]["requests"])
