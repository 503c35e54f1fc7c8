"""Failure 19 of the original: a ban, and the exchange's own count of what was used, are obeyed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.conf import settings
from redis import Redis

from collectors.binance.rest import Banned, GaveUp, Rest
from collectors.binance.weight import Priority, WeightBudget, patience
from tests.fixtures_exchange import RunningExchange

StartExchange = Callable[..., RunningExchange]


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis.from_url(settings.CONFIG.redis_url) as client:
        client.flushdb()
        yield client


def rest(exchange: RunningExchange, redis: Redis) -> Rest:
    """A process that has just started."""
    return Rest(exchange.url, WeightBudget(redis, "default"), Priority.GAP, patience(0.3))


def requests_of(exchange: RunningExchange) -> int:
    return int(exchange.state["rest"]["requests"])


def test_after_a_418_nobody_asks_again(start_exchange: StartExchange, redis: Redis) -> None:
    """Failure 19 of the original: it went on asking during a ban, which makes the ban longer."""
    exchange = start_exchange(symbols=1, rate=10, history_days=0)
    exchange.fault("rate_limit", status=418, seconds=300)
    with pytest.raises(Banned):
        rest(exchange, redis).server_time_ms()
    asked = requests_of(exchange)
    for _ in range(3):
        with pytest.raises(Banned):
            rest(exchange, redis).last_aggregate_id("BTCUSDT")
    assert requests_of(exchange) == asked


def test_what_others_used_is_left_to_them(start_exchange: StartExchange, redis: Redis) -> None:
    """Failure 19 of the original: it counted its own requests only, and ran into 429 beside another program."""
    exchange = start_exchange(symbols=1, rate=10, history_days=0, weight_limit=200)
    ours = rest(exchange, redis)
    name = ours.exchange_info()[0]["symbol"]
    # Another program behind the same address, which does not know of our budget.
    while int(exchange.response("/fapi/v1/aggTrades", symbol=name).headers["X-MBX-USED-WEIGHT-1M"]) < 170:
        pass
    ours.server_time_ms()
    with pytest.raises(GaveUp):
        rest(exchange, redis).last_aggregate_id(name)
    assert exchange.state["rest"]["refused"] == 0
