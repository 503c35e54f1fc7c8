"""/fapi/v1/aggTrades: windows, limits and error answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import has_no_holes

HOUR_MS = 3_600_000


@pytest.fixture
def exchange(start_exchange: Callable[..., RunningExchange]) -> RunningExchange:
    return start_exchange(symbols=24, rate=100)


def trades(exchange: RunningExchange, **params: Any) -> Any:
    return exchange.get("/fapi/v1/aggTrades", **{"symbol": "BTCUSDT", **params})


def refused(exchange: RunningExchange, **params: Any) -> tuple[int, str]:
    """Code and text of an answer that must be 400."""
    answer = exchange.response("/fapi/v1/aggTrades", **params)
    assert answer.status_code == 400, answer.text
    return answer.json()["code"], answer.json()["msg"]


def test_from_id_is_inclusive_ascending_and_limited(exchange: RunningExchange) -> None:
    newest = trades(exchange, limit=1)[0]["a"]
    rows = trades(exchange, fromId=newest - 1500, limit=1000)
    assert [row["a"] for row in rows] == list(range(newest - 1500, newest - 500))
    assert len(trades(exchange, fromId=newest - 1500)) == 500
    assert trades(exchange, fromId=newest + 1_000_000) == []


def test_without_anything_the_newest_500_come(exchange: RunningExchange) -> None:
    rows = trades(exchange)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    assert len(rows) == 500
    assert has_no_holes([row["a"] for row in rows])
    assert now - rows[-1]["T"] < 10_000


def test_a_window_gives_the_trades_inside_it_ends_included(exchange: RunningExchange) -> None:
    reference = trades(exchange, fromId=trades(exchange, limit=1)[0]["a"] - 900, limit=900)
    start, end = reference[100]["T"], reference[600]["T"]
    inside = [row for row in reference if start <= row["T"] <= end]
    assert trades(exchange, startTime=start, endTime=end, limit=1000) == inside
    assert trades(exchange, startTime=start, endTime=end, limit=10) == inside[:10]
    assert trades(exchange, endTime=end, limit=10) == inside[-10:]
    assert trades(exchange, startTime=start, limit=10) == inside[:10]


def test_a_window_must_be_under_an_hour_and_not_mixed_with_an_id(exchange: RunningExchange) -> None:
    now = exchange.get("/fapi/v1/time")["serverTime"]
    assert refused(exchange, symbol="BTCUSDT", startTime=now - HOUR_MS, endTime=now)[0] == -1127
    assert refused(exchange, symbol="BTCUSDT", startTime=now, endTime=now - 1)[0] == -1023
    assert refused(exchange, symbol="BTCUSDT", startTime=now - 1000, fromId=5)[0] == -1128
    assert trades(exchange, startTime=now - HOUR_MS, endTime=now - 1)


def test_older_than_48_hours_is_refused_by_time_and_by_id(exchange: RunningExchange) -> None:
    now = exchange.get("/fapi/v1/time")["serverTime"]
    too_old = (-4166, "Search window is restricted to recent 2 days only.")
    start = now - 48 * HOUR_MS
    rows = trades(exchange, startTime=start + 60_000, limit=5)
    assert len(rows) == 5
    assert refused(exchange, symbol="BTCUSDT", startTime=start - 60_000) == too_old
    assert refused(exchange, symbol="BTCUSDT", endTime=start - 60_000) == too_old
    assert trades(exchange, fromId=rows[0]["a"], limit=5) == rows
    assert refused(exchange, symbol="BTCUSDT", fromId=rows[0]["a"] - 50_000) == too_old
    assert refused(exchange, symbol="BTCUSDT", fromId=0) == too_old


def test_a_shorter_look_back_can_be_set(start_exchange: Callable[..., RunningExchange]) -> None:
    exchange = start_exchange(symbols=2, look_back_hours=24)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    assert trades(exchange, startTime=now - 23 * HOUR_MS)
    assert refused(exchange, symbol="BTCUSDT", startTime=now - 25 * HOUR_MS)[0] == -4166


def test_wrong_parameters_are_named(exchange: RunningExchange) -> None:
    assert refused(exchange)[0] == -1102
    assert refused(exchange, symbol="NOSUCHUSDT") == (-1121, "Invalid symbol.")
    assert refused(exchange, symbol="btcusdt")[0] == -1121
    assert refused(exchange, symbol="BTCUSDT", limit=1001)[0] == -1130
    assert refused(exchange, symbol="BTCUSDT", limit=0)[0] == -1130
    assert refused(exchange, symbol="BTCUSDT", fromId="x")[0] == -1100
    assert refused(exchange, symbol="BTCUSDT", fromId=-1)[0] == -1100


def test_non_ascii_symbols_are_asked_for_like_others(exchange: RunningExchange) -> None:
    rows = trades(exchange, symbol="龙虾USDT", limit=5)
    assert len(rows) == 5
    assert has_no_holes([row["a"] for row in rows])


def test_the_last_of_many_contracts_trades_every_few_minutes(start_exchange: Callable[..., RunningExchange]) -> None:
    exchange = start_exchange(symbols=60, rate=100)
    quiet = exchange.get("/fapi/v1/exchangeInfo")["symbols"][-1]["symbol"]
    rows = trades(exchange, symbol=quiet, limit=20)
    gaps = [two["T"] - one["T"] for one, two in pairwise(rows)]
    assert has_no_holes([row["a"] for row in rows])
    assert sum(gaps) / len(gaps) > 100_000
    day = exchange.get("/fapi/v1/ticker/24hr", symbol=quiet)
    assert day["lastId"] == rows[-1]["l"]
