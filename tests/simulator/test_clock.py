"""The exchange's clock can be moved: what is skipped has happened, but nobody was sent it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from dataprovider.simulator.klines import MINUTE_MS
from tests.fixtures_exchange import RunningExchange
from tests.simulator.archive_writing import rows_from, write_archive
from tests.simulator.stream_client import StreamClient, has_no_holes
from tests.simulator.test_archives import csv_lines, listing, path_of
from tests.simulator.test_stream_equals_rest import row_of, rows_by_id

Start = Callable[..., RunningExchange]
HOUR_S = 3600
DAY_S = 86_400


@pytest.mark.parametrize("seconds", [0.2, 30, 90, HOUR_S, 3 * DAY_S])
def test_trades_of_the_skipped_time_exist_but_were_never_sent(start_exchange: Start, seconds: float) -> None:
    exchange = start_exchange(symbols=3, rate=600, look_back_hours=100)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        client.read_until(lambda: len(client.trades) > 100, "trades")
        skipped = exchange.advance(seconds)["skipped"]
        assert 0 <= skipped["until_ms"] - skipped["after_ms"] - seconds * 1000 < 2000
        client.read_until(lambda: client.trades[-1]["E"] > skipped["until_ms"] + 1000, "trades after the jump")
        exchange.post("/simulator/stop")
        client.read_for(0.3)
        before = [trade for trade in client.trades if trade["E"] <= skipped["after_ms"]]
        after = [trade for trade in client.trades if trade["E"] > skipped["until_ms"]]
    assert before + after == client.trades, "nothing of the time in between was sent"
    ids = [[trade["a"] for trade in part] for part in (before, after)]
    assert has_no_holes(ids[0])
    assert has_no_holes(ids[1])
    never_sent = ids[1][0] - ids[0][-1] - 1
    # Trades come in bursts: over a fifth of a second a tenth of the average is as likely as twice as many.
    assert seconds * 330 / 10 <= never_sent <= seconds * 330 * 2.5
    assert exchange.sent["BTCUSDT"] == {
        "first_id": ids[0][0],
        "last_id": ids[1][-1],
        "count": len(before) + len(after),
    }
    rows = rows_by_id(exchange, "BTCUSDT", ids[0][-1] - 20, 21 + min(never_sent, 500))
    assert has_no_holes([row["a"] for row in rows])
    assert rows[:21] == [row_of(trade) for trade in before[-21:]]
    assert rows_by_id(exchange, "BTCUSDT", ids[1][0], 100) == [row_of(trade) for trade in after[:100]]
    edge = rows_by_id(exchange, "BTCUSDT", ids[1][0] - 1, 1)[0]
    assert edge["T"] <= skipped["until_ms"], "the last of the skipped trades"


def test_two_jumps_after_each_other_send_nothing_twice(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, rate=600)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade/ethusdt@aggTrade") as client:
        client.read_until(lambda: len(client.trades) > 100, "trades")
        last = [exchange.advance(seconds)["skipped"] for seconds in (5, 0.05, 70, 0.5)][-1]
        client.read_until(lambda: client.trades[-1]["E"] > last["until_ms"] + 500, "trades after the jumps")
        exchange.post("/simulator/stop")
        client.read_for(0.3)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        ids = [trade["a"] for trade in client.trades_of(symbol)]
        assert all(one < two for one, two in pairwise(ids))
        assert exchange.sent[symbol] == {"first_id": ids[0], "last_id": ids[-1], "count": len(ids)}


def test_server_time_look_back_and_state_follow(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=20)
    assert exchange.state["clock_offset_ms"] == 0
    old = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[0]["a"]
    state = exchange.advance(47 * HOUR_S)
    assert state["clock_offset_ms"] == 47 * HOUR_S * 1000
    now = exchange.get("/fapi/v1/time")["serverTime"]
    assert abs(now - time.time() * 1000 - 47 * HOUR_S * 1000) < 5000
    assert exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=old, limit=1)[0]["a"] == old
    newest = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[0]
    assert now - newest["T"] < 60_000
    exchange.advance(HOUR_S + 60)
    assert exchange.state["clock_offset_ms"] == (48 * HOUR_S + 60) * 1000
    refused = exchange.response("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=old, limit=1)
    assert (refused.status_code, refused.json()["code"]) == (400, -4166)


def test_days_appear_in_the_archives_when_their_hour_is_passed(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=5, archive_delay_hours=8)
    today = datetime.now(UTC).date()
    path = path_of("BTCUSDT", today.isoformat())
    assert exchange.response(path).status_code == 404
    midnight = datetime.combine(today + timedelta(days=1), datetime.min.time(), UTC).timestamp()
    exchange.advance(midnight + 7.9 * HOUR_S - time.time())
    assert exchange.response(path).status_code == 404
    exchange.advance(0.2 * HOUR_S)
    answer = exchange.response(path)
    assert answer.status_code == 200
    assert path[1:] in listing(exchange, prefix="data/futures/um/daily/aggTrades/BTCUSDT/")[0]
    ids = [int(line.split(",")[0]) for line in csv_lines(answer.content)[1:]]
    assert has_no_holes(ids)
    rows = rows_by_id(exchange, "BTCUSDT", ids[-1], 2)
    assert rows[0]["T"] < midnight * 1000 <= rows[1]["T"]


def test_a_subscribed_candle_goes_on_with_the_present_one(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=300)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@kline_1m") as client:
        client.read_until(lambda: client.messages, "a candle")
        skipped = exchange.advance(400 * DAY_S)["skipped"]
        client.read_until(
            lambda: client.messages[-1]["data"]["E"] > skipped["until_ms"], "a candle after the jump", seconds=10
        )
    opened = {message["data"]["k"]["t"] for message in client.messages if message["data"]["E"] > skipped["until_ms"]}
    assert min(opened) >= skipped["until_ms"] // MINUTE_MS * MINUTE_MS


def test_weights_go_on_counting_real_minutes(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=5, weight_limit=60)
    statuses = []
    for _ in range(8):
        statuses.append(exchange.response("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1).status_code)
        exchange.advance(120)
    # A real minute may have begun in between, once.
    assert statuses.count(429) >= 2


def test_a_halted_market_did_not_trade_while_the_clock_was_moved(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=300)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        client.read_until(lambda: len(client.trades) > 20, "trades")
        exchange.post("/simulator/stop")
        client.read_for(0.3)
        halted = len(client.trades)
        skipped = exchange.advance(HOUR_S)["skipped"]
        exchange.post("/simulator/start")
        client.read_until(lambda: len(client.trades) > halted + 20, "trades after the halt")
    assert has_no_holes([trade["a"] for trade in client.trades])
    assert client.trades[halted - 1]["E"] <= skipped["after_ms"]
    assert client.trades[halted]["E"] > skipped["until_ms"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_the_clock_does_not_go_back_when_the_exchange_starts_again(
    start_exchange: Start, tmp_path: Path, end: str
) -> None:
    first = start_exchange(symbols=3, rate=50, state_dir=tmp_path)
    first.advance(30 * DAY_S)
    before = first.get("/fapi/v1/time")["serverTime"]
    newest = first.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=20)
    getattr(first, end)()
    second = start_exchange(symbols=3, rate=50, state_dir=tmp_path)
    assert second.state["clock_offset_ms"] == 30 * DAY_S * 1000
    assert second.get("/fapi/v1/time")["serverTime"] > before
    assert rows_by_id(second, "BTCUSDT", newest[0]["a"], 20) == newest


def test_a_replay_says_that_its_clock_cannot_be_moved(start_exchange: Start, tmp_path: Path) -> None:
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", rows_from(1, 1_704_067_200_000, 100))
    exchange = start_exchange(archive_dir=tmp_path)
    answer = exchange.post_response("/simulator/clock", {"advance_seconds": 5})
    assert answer.status_code == 400
    assert "--replay-speed" in answer.json()["error"]
    assert exchange.state["clock_offset_ms"] == 0


def test_a_wrong_advance_is_refused_in_a_sentence(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2)
    bodies: list[object] = [
        {"advance_seconds": 0},
        {"advance_seconds": -5},
        {"advance_seconds": 401 * DAY_S},
        {},
        [],
        "x",
    ]
    for body in bodies:
        answer = exchange.post_response("/simulator/clock", body)
        assert answer.status_code == 400, body
        assert "advance_seconds" in answer.json()["error"]
    assert exchange.state["clock_offset_ms"] == 0
