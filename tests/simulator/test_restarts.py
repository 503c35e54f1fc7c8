"""A market that was stopped, crashed or changed goes on with the ids that follow, and its past stays readable."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import StreamClient, has_no_holes
from tests.simulator.test_stream_equals_rest import row_of, rows_by_id

Start = Callable[..., RunningExchange]


def some_trades(exchange: RunningExchange, symbol: str, wanted: int) -> list[dict[str, Any]]:
    with StreamClient(f"{exchange.stream_url}?streams={symbol.lower()}@aggTrade") as client:
        client.read_until(lambda: len(client.trades) >= wanted, "trades")
        return [row_of(trade) for trade in client.trades]


def checked_rows(exchange: RunningExchange, symbol: str, first: int, last: int) -> list[dict[str, Any]]:
    """Rows from id to id, with ids and trade ids that never go back."""
    rows = rows_by_id(exchange, symbol, first, last - first + 1)
    assert has_no_holes([row["a"] for row in rows])
    assert all(one["l"] < two["f"] and one["T"] <= two["T"] for one, two in pairwise(rows))
    return rows


def test_after_stop_and_start_ids_go_on_and_nothing_happened_in_between(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=4, rate=800)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        client.read_until(lambda: len(client.trades) > 300, "trades")
        halted = exchange.post("/simulator/stop")
        client.read_for(1.0)
        assert not halted["running"]
        at_halt = len(client.trades)
        assert client.trades[-1]["a"] == exchange.sent["BTCUSDT"]["last_id"]
        exchange.post("/simulator/start")
        client.read_until(lambda: len(client.trades) > at_halt + 300, "trades after the halt")
        trades = client.trades
    assert has_no_holes([trade["a"] for trade in trades])
    assert all(trade["E"] <= halted["now_ms"] + 5 for trade in trades[:at_halt])
    assert all(trade["T"] >= halted["now_ms"] + 900 for trade in trades[at_halt:]), "it was halted for a second"
    mine = [row_of(trade) for trade in trades]
    assert checked_rows(exchange, "BTCUSDT", mine[0]["a"], mine[-1]["a"]) == mine


def test_after_a_graceful_stop_the_next_process_goes_on_with_the_next_id(start_exchange: Start, tmp_path: Path) -> None:
    first = start_exchange(symbols=4, rate=800, state_dir=tmp_path)
    before = some_trades(first, "BTCUSDT", 500)
    newest = first.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[0]["a"]
    assert first.stop() == 0
    second = start_exchange(symbols=4, rate=800, state_dir=tmp_path)
    after = some_trades(second, "BTCUSDT", 500)
    rows = checked_rows(second, "BTCUSDT", before[0]["a"], after[-1]["a"])
    assert rows[: len(before)] == before
    assert rows[-len(after) :] == after
    halts = [two["T"] - one["T"] for one, two in pairwise(rows)]
    assert max(halts) > 200, "no trade happened while no process ran"
    assert newest >= before[-1]["a"]


def test_after_a_crash_the_market_had_simply_gone_on(start_exchange: Start, tmp_path: Path) -> None:
    options = {"symbols": 4, "rate": 800, "state_dir": tmp_path}
    first = start_exchange(**options)
    before = some_trades(first, "BTCUSDT", 300)
    first.kill()
    second = start_exchange(**options)
    after = some_trades(second, "BTCUSDT", 300)
    rows = checked_rows(second, "BTCUSDT", before[0]["a"], after[-1]["a"])
    assert rows[: len(before)] == before
    assert rows[-len(after) :] == after
    assert after[0]["a"] > before[-1]["a"] + 50, "trades happened while the process was away"
    halts = [two["T"] - one["T"] for one, two in pairwise(rows)]
    assert max(halts) < 1000


def test_other_parameters_begin_a_segment_whose_ids_follow(start_exchange: Start, tmp_path: Path) -> None:
    first = start_exchange(symbols=4, rate=800, seed=1, state_dir=tmp_path)
    before = some_trades(first, "BTCUSDT", 300)
    first.kill()
    second = start_exchange(symbols=6, rate=300, seed=2, state_dir=tmp_path)
    after = some_trades(second, "BTCUSDT", 100)
    rows = checked_rows(second, "BTCUSDT", before[0]["a"], after[-1]["a"])
    assert rows[: len(before)] == before
    assert second.stop() == 0
    third = start_exchange(symbols=4, rate=800, seed=1, state_dir=tmp_path)
    later = some_trades(third, "BTCUSDT", 100)
    assert checked_rows(third, "BTCUSDT", before[0]["a"], later[-1]["a"])[: len(rows)] == rows
    assert third.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1h", limit=5)


def test_one_seed_gives_one_market_and_another_another(start_exchange: Start) -> None:
    exchanges = [start_exchange(symbols=8, rate=200, seed=seed) for seed in (5, 5, 6)]
    newest = exchanges[0].get("/fapi/v1/aggTrades", symbol="SOLUSDT", limit=1)[0]["a"]
    one, two, other = (
        exchange.get("/fapi/v1/aggTrades", symbol="SOLUSDT", fromId=newest - 500, limit=500)
        if number < 2
        else exchange.get("/fapi/v1/aggTrades", symbol="SOLUSDT", limit=500)
        for number, exchange in enumerate(exchanges)
    )
    assert one == two
    assert one != other
    assert {row["p"] for row in one} != {row["p"] for row in other}
