"""/fapi/v1/aggTrades at the edges: 48 hours back, the newest id, the limit, ids that are absent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import has_no_holes

HOUR_MS = 3_600_000
TOO_OLD = {"code": -4166, "msg": "Search window is restricted to recent 2 days only."}


@pytest.fixture
def exchange(start_exchange: Callable[..., RunningExchange]) -> RunningExchange:
    return start_exchange(symbols=5, rate=10)


def ask(exchange: RunningExchange, **params: Any) -> tuple[int, Any]:
    answer = exchange.response("/fapi/v1/aggTrades", symbol="BTCUSDT", **params)
    return answer.status_code, answer.json()


def test_an_id_falls_out_of_reach_at_48_hours_to_the_trade(exchange: RunningExchange) -> None:
    exchange.post("/simulator/stop")
    now = exchange.get("/fapi/v1/time")["serverTime"]
    around = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=now - 48 * HOUR_MS + 60_000, limit=1000)
    edge = exchange.get("/fapi/v1/time")["serverTime"] - 48 * HOUR_MS
    # Forward to where the edge lies among these.
    exchange.post("/simulator/clock", {"advance_seconds": (around[0]["T"] + 30_000 - edge) / 1000})
    edge = exchange.get("/fapi/v1/time")["serverTime"] - 48 * HOUR_MS
    old = [row for row in around if row["T"] < edge][-1]
    assert old["T"] > edge - 20_000
    assert ask(exchange, fromId=old["a"]) == (400, TOO_OLD)
    assert ask(exchange, fromId=old["a"] - 10_000) == (400, TOO_OLD)
    young = [row for row in around if row["T"] > edge + 20_000]
    assert ask(exchange, fromId=young[0]["a"], limit=len(young)) == (200, young)


def test_beyond_the_newest_id_there_is_nothing(exchange: RunningExchange) -> None:
    exchange.post("/simulator/stop")
    newest = ask(exchange, limit=1)[1][0]["a"]
    assert ask(exchange, fromId=newest)[1][0]["a"] == newest
    assert ask(exchange, fromId=newest + 1) == (200, [])
    assert ask(exchange, fromId=10**18) == (200, [])


def test_a_thousand_rows_are_the_most_and_ascend(exchange: RunningExchange) -> None:
    newest = ask(exchange, limit=1)[1][0]["a"]
    rows = ask(exchange, fromId=newest - 2000, limit=1000)[1]
    assert [row["a"] for row in rows] == list(range(newest - 2000, newest - 1000))
    assert ask(exchange, fromId=newest - 2000, limit=1001)[1]["code"] == -1130


def test_an_absent_id_at_the_edge_is_judged_by_the_next_one_there_is(exchange: RunningExchange) -> None:
    now = exchange.get("/fapi/v1/time")["serverTime"]
    young = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=now - 47 * HOUR_MS, limit=3)
    # Ten trades a second over all: these are more than an hour of them.
    lacking = 40_000
    first = young[0]["a"]
    assert ask(exchange, fromId=first - lacking) == (400, TOO_OLD)
    exchange.fault("absent", symbol="BTCUSDT", first_id=first - lacking, last_id=first - 1)
    status, rows = ask(exchange, fromId=first - lacking, limit=3)
    assert (status, rows) == (200, young)
    assert has_no_holes([row["a"] for row in rows])
