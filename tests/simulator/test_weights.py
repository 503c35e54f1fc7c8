"""The REST budget: weight a UTC minute, its header, 429 beyond it, 418 for who does not stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from dataprovider.simulator.errors import ExchangeError
from dataprovider.simulator.limits import Limits
from dataprovider.simulator.weights import Weights
from tests.fixtures_exchange import RunningExchange

Start = Callable[..., RunningExchange]
HEADER = "X-MBX-USED-WEIGHT-1M"


class Clock:
    """Milliseconds that pass only when told."""

    def __init__(self, ms: int) -> None:
        self.ms = ms

    def __call__(self) -> int:
        return self.ms


def test_weights_are_binances(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, rate=1)

    def weight(path: str, **params: Any) -> int:
        begin = int(exchange.response("/fapi/v1/ping").headers[HEADER])
        return int(exchange.response(path, **params).headers[HEADER]) - begin

    cases: list[tuple[tuple[str, dict[str, Any]], int]] = [
        (("/fapi/v1/time", {}), 1),
        (("/fapi/v1/exchangeInfo", {}), 1),
        (("/fapi/v1/aggTrades", {"symbol": "BTCUSDT", "limit": 1}), 20),
        (("/fapi/v1/aggTrades", {"symbol": "NOSUCHUSDT"}), 20),
        (("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 99}), 1),
        (("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 100}), 2),
        (("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m"}), 5),
        (("/fapi/v1/klines", {"symbol": "BTCUSDT", "interval": "1m", "limit": 1500}), 10),
        (("/fapi/v1/ticker/24hr", {"symbol": "BTCUSDT"}), 1),
        (("/fapi/v1/ticker/24hr", {}), 40),
    ]
    for (path, params), expected in cases:
        # A new minute may begin in between: then the difference is negative, and the case is asked again.
        found = [weight(path, **params), weight(path, **params)]
        assert expected in found, (path, params, found)


def test_beyond_the_budget_429_and_then_418_with_retry_after(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, rate=1, weight_limit=60)
    answers = [exchange.response("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1) for _ in range(80)]
    statuses = [answer.status_code for answer in answers]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == -1003
    assert refused.json()["msg"].startswith("Too many requests; current limit of IP(127.0.0.1) is 60 requests per")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    last = answers[-1]
    assert statuses[-1] == 418, statuses
    assert last.json()["code"] == -1003
    until = int(last.json()["msg"].split("banned until ")[1].split(".")[0])
    assert 0 < until - time.time() * 1000 <= 121_000
    assert 1 <= int(last.headers["Retry-After"]) <= 120
    assert exchange.response("/fapi/v1/ping").status_code == 418
    assert exchange.response("/simulator/state").status_code == 200


def test_a_new_minute_is_a_new_budget() -> None:
    clock = Clock(1_800_000_000_000)
    weights = Weights(Limits(weight_per_minute=100), clock)
    assert [weights.use("a", 50), weights.use("a", 50)] == [50, 100]
    with pytest.raises(ExchangeError, match="Too many requests"):
        weights.use("a", 1)
    assert weights.use("b", 20) == 20
    clock.ms += 60_000
    assert weights.use("a", 20) == 20


def test_bans_grow_up_to_three_days() -> None:
    clock = Clock(1_800_000_000_000)
    weights = Weights(Limits(weight_per_minute=1), clock)
    lengths: list[int] = []
    while len(lengths) < 8:
        with pytest.raises(ExchangeError) as refusal:
            weights.use("a", 2)
        if refusal.value.status == 418:
            lengths.append(refusal.value.retry_after_s or 0)
            clock.ms += lengths[-1] * 1000
    assert lengths[:3] == [120, 480, 1920]
    assert lengths[-2:] == [3 * 86_400, 3 * 86_400]
    with pytest.raises(ExchangeError) as refused:
        weights.use("a", 2)
    assert refused.value.status == 429
