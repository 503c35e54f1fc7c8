"""/simulator/state says what the REST face was asked and what it weighed, so that clients can be judged by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import orjson

from dataprovider.simulator.spending import Spending
from dataprovider.simulator.symbols import entry
from tests.fixtures_exchange import RunningExchange

Start = Callable[..., RunningExchange]
MINUTE = 60_000


def test_requests_weights_and_minutes_are_counted(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=2)
    assert exchange.state["rest"] == {"requests": 0, "weight": 0, "by_minute": {}, "refused": 0}
    begin = int(time.time() * 1000) // MINUTE * MINUTE
    exchange.get("/fapi/v1/time")
    exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)
    assert exchange.response("/fapi/v1/aggTrades", symbol="NOSUCHUSDT").status_code == 400
    exchange.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1m", limit=10)
    found = exchange.state["rest"]
    assert (found["requests"], found["weight"], found["refused"]) == (4, 42, 0)
    assert sum(found["by_minute"].values()) == 42
    assert all(
        begin <= int(minute) <= time.time() * 1000 and int(minute) % MINUTE == 0 for minute in found["by_minute"]
    )
    exchange.post("/simulator/clock", {"advance_seconds": 86_400})
    exchange.get("/fapi/v1/ping")
    found = exchange.state["rest"]
    assert sum(found["by_minute"].values()) == 43
    assert max(map(int, found["by_minute"])) <= time.time() * 1000, "minutes are the wall's"


def test_refusals_are_counted_and_a_banned_one_weighs_nothing(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=2, weight_limit=60)
    statuses = [exchange.response("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1).status_code for _ in range(80)]
    found = exchange.state["rest"]
    assert statuses[-1] == 418
    assert found["requests"] == 80
    assert found["refused"] == statuses.count(429) + statuses.count(418)
    # The request that brought the ban weighed too, those after it did not.
    assert found["weight"] == 20 * (80 - statuses.count(418) + 1)
    exchange.response("/fapi/v1/ping")
    assert exchange.state["rest"]["refused"] == found["refused"] + 1


def test_storms_made_by_faults_are_refusals_too(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=2)
    for status in (429, 418):
        exchange.fault("rate_limit", status=status)
        exchange.response("/fapi/v1/time")
        exchange.delete("/simulator/faults")
    exchange.fault("rest_error", status=503)
    exchange.response("/fapi/v1/time")
    found = exchange.state["rest"]
    assert (found["requests"], found["refused"], found["weight"]) == (3, 2, 0)


def test_the_last_thirty_minutes_are_kept() -> None:
    spending = Spending()
    for minute in range(100):
        spending.spend(minute, minute * MINUTE + 59_999)
        spending.spend(1, minute * MINUTE)
    plain = spending.plain()
    assert plain["by_minute"] == {str(minute * MINUTE): minute + 1 for minute in range(70, 100)}
    assert plain["weight"] == sum(range(1, 101))


def test_the_budget_is_told_in_exchange_info_also_with_a_saved_list(start_exchange: Start, tmp_path: Path) -> None:
    saved = tmp_path / "exchangeInfo.json"
    limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2400}]
    contract = entry("BTCUSDT", price_decimals=2, quantity_decimals=3)
    saved.write_bytes(orjson.dumps({"timezone": "UTC", "rateLimits": limits, "symbols": [contract]}))
    for symbols in (2, saved):
        exchange = start_exchange(symbols=symbols, weight_limit=777)
        told = [
            limit["limit"]
            for limit in exchange.get("/fapi/v1/exchangeInfo")["rateLimits"]
            if (limit["rateLimitType"], limit["interval"], limit["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1)
        ]
        assert told == [777]
