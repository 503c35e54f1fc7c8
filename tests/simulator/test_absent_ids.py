"""Ids the exchange itself lacks: in no stream, no REST answer, no candle, no archive."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dataprovider.simulator.symbols import exact
from tests.fixtures_exchange import RunningExchange
from tests.simulator.archive_writing import rows_from, write_archive
from tests.simulator.stream_client import StreamClient, has_no_holes
from tests.simulator.test_archives import csv_lines, day, path_of
from tests.waiting import wait_until

Start = Callable[..., RunningExchange]
NEW_YEAR_2024 = 1_704_067_200_000


def rows(exchange: RunningExchange, **params: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", **params)
    return found


def ids_of(found: list[dict[str, Any]]) -> list[int]:
    return [row["a"] for row in found]


def test_the_stream_jumps_over_them_when_it_gets_there(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=400)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade/ethusdt@aggTrade") as client:
        client.read_until(lambda: client.trades_of("BTCUSDT"), "a trade")
        first = client.trades_of("BTCUSDT")[-1]["a"] + 300
        exchange.fault("absent", symbol="BTCUSDT", first_id=first, last_id=first + 49)
        exchange.fault("absent", symbol="BTCUSDT", first_id=first + 55, last_id=first + 55)
        client.read_until(lambda: client.trades_of("BTCUSDT")[-1]["a"] > first + 150, "trades beyond them")
        exchange.post("/simulator/stop")
        client.read_for(0.3)
    sent = ids_of(client.trades_of("BTCUSDT"))
    missing = sorted(set(range(sent[0], sent[-1] + 1)) - set(sent))
    assert missing == [*range(first, first + 50), first + 55]
    assert sent == sorted(sent)
    assert exchange.sent["BTCUSDT"] == {"first_id": sent[0], "last_id": sent[-1], "count": len(sent)}
    assert has_no_holes(ids_of(client.trades_of("ETHUSDT"))), "other symbols have theirs"
    assert ids_of(rows(exchange, fromId=first - 1, limit=8)) == [
        first - 1,
        *range(first + 50, first + 55),
        first + 56,
        first + 57,
    ]


def test_rest_begins_with_the_next_id_there_is(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=100)
    exchange.post("/simulator/stop")
    newest = rows(exchange, limit=1)[0]["a"]
    whole = rows(exchange, fromId=newest - 900, limit=901)
    exchange.fault("absent", symbol="BTCUSDT", first_id=newest - 800, last_id=newest - 101)
    left = [row for row in whole if not newest - 800 <= row["a"] <= newest - 101]
    assert rows(exchange, fromId=newest - 900, limit=1000) == left
    assert rows(exchange, fromId=newest - 500, limit=5) == left[100:105]
    assert rows(exchange, limit=150) == left[-150:]
    inside = {row["a"]: row["T"] for row in whole}
    assert rows(exchange, startTime=inside[newest - 500], endTime=inside[newest], limit=1000)[0] == left[100]
    assert rows(exchange, startTime=inside[newest - 700], endTime=inside[newest - 300]) == []
    assert ids_of(rows(exchange, endTime=inside[newest - 500], limit=1)) == [newest - 801]


def test_the_newest_can_be_absent_too(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=100)
    exchange.post("/simulator/stop")
    newest = rows(exchange, limit=1)[0]
    exchange.fault("absent", symbol="BTCUSDT", first_id=newest["a"] - 9, last_id=newest["a"] + 1000)
    assert ids_of(rows(exchange, limit=1)) == [newest["a"] - 10]
    assert rows(exchange, fromId=newest["a"] - 9) == []
    assert rows(exchange, startTime=newest["T"]) == []
    ticker = exchange.get("/fapi/v1/ticker/24hr", symbol="BTCUSDT")
    assert ticker["lastId"] == rows(exchange, limit=1)[0]["l"]
    exchange.delete("/simulator/faults")
    assert rows(exchange, limit=1) == [newest], "cleared, they are there again"


def test_candles_do_not_count_them(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=100)
    newest = rows(exchange, limit=1)[0]
    minute = newest["T"] // 60_000 * 60_000 - 120_000
    params = {"symbol": "BTCUSDT", "interval": "1m", "startTime": minute, "limit": 1}
    whole = exchange.get("/fapi/v1/klines", **params)[0]
    first = rows(exchange, startTime=minute, limit=1)[0]["a"]
    lost = rows(exchange, fromId=first + 5, limit=20)
    exchange.fault("absent", symbol="BTCUSDT", first_id=first + 5, last_id=first + 24)
    left = exchange.get("/fapi/v1/klines", **params)[0]
    assert exact(whole[5]) - exact(left[5]) == sum(exact(row["q"]) for row in lost)
    assert whole[8] - left[8] == sum(row["l"] - row["f"] + 1 for row in lost)


def test_a_candle_without_a_trade_is_not_sent_until_there_is_one(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=100)
    newest = rows(exchange, limit=1)[0]
    first = rows(exchange, startTime=newest["T"] // 60_000 * 60_000, limit=1)[0]["a"]
    exchange.fault("absent", symbol="BTCUSDT", first_id=first, last_id=first + 10**9)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@kline_1m/btcusdt@aggTrade") as client:
        lacking = newest["T"] + 2000
        wait_until(lambda: exchange.get("/fapi/v1/time")["serverTime"] > lacking, 10, "some time without a trade")
        client.read_for(0.3)
        assert client.messages == []
        exchange.delete("/simulator/faults")
        client.read_until(lambda: any("k" in message["data"] for message in client.messages), "a candle")


def test_the_ticker_of_a_day_begins_after_them(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=20)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    first = rows(exchange, startTime=now - 24 * 3_600_000, limit=1)[0]["a"]
    exchange.fault("absent", symbol="BTCUSDT", first_id=first - 1000, last_id=first + 2000)
    opening = rows(exchange, fromId=first, limit=1)[0]
    assert opening["a"] == first + 2001
    assert exchange.get("/fapi/v1/ticker/24hr", symbol="BTCUSDT")["firstId"] == opening["f"]


def test_made_up_archives_lack_them(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=0.3, archive_delay_hours=-1)
    path, other = path_of("BTCUSDT", day(1)), path_of("BTCUSDT", day(2))
    right, untouched = exchange.response(path), exchange.response(other)
    header, *lines = csv_lines(right.content)
    first = int(lines[1000].split(",")[0])
    exchange.fault("absent", symbol="BTCUSDT", first_id=first, last_id=first + 99)
    found = exchange.response(path)
    assert csv_lines(found.content) == [header, *lines[:1000], *lines[1100:]]
    assert found.headers["ETag"] != right.headers["ETag"]
    checksum = exchange.response(f"{path}.CHECKSUM").text
    assert checksum.split()[0] == hashlib.sha256(found.content).hexdigest()
    assert exchange.response(other).headers["ETag"] == untouched.headers["ETag"], "other days are as they were"
    exchange.fault("absent", symbol="BTCUSDT", first_id=int(lines[0].split(",")[0]), last_id=first + 10_000_000)
    assert exchange.response(path).status_code == 404, "a day without a trade has no archive"
    exchange.delete("/simulator/faults")
    assert exchange.response(path).content == right.content


def test_a_replay_lacks_them_in_stream_rest_and_archives(start_exchange: Start, tmp_path: Path) -> None:
    found = rows_from(500, NEW_YEAR_2024, 400)
    archive = write_archive(tmp_path, "BTCUSDT", "2024-01-01", found)
    other = write_archive(tmp_path, "BTCUSDT", "2024-01-02", rows_from(900, NEW_YEAR_2024 + 86_400_000, 10))
    exchange = start_exchange(archive_dir=tmp_path, replay_speed=20, paused=True, archive_delay_hours=-1)
    exchange.fault("absent", symbol="BTCUSDT", first_id=600, last_id=649)
    wanted = [*range(500, 600), *range(650, 900)]
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        exchange.post("/simulator/start")
        client.read_until(lambda: client.trades and client.trades[-1]["a"] == 909, "the last")
    assert ids_of(client.trades) == [*wanted, *range(900, 910)]
    assert exchange.sent["BTCUSDT"] == {"first_id": 500, "last_id": 909, "count": 360}
    assert ids_of(rows(exchange, fromId=590, limit=20)) == [*range(590, 600), *range(650, 660)]
    path = path_of("BTCUSDT", "2024-01-01")
    served = exchange.response(path)
    assert [int(line.split(",")[0]) for line in csv_lines(served.content)[1:]] == wanted
    assert exchange.response(f"{path}.CHECKSUM").text.split()[0] == hashlib.sha256(served.content).hexdigest()
    assert exchange.response(path_of("BTCUSDT", "2024-01-02")).content == other.read_bytes()
    exchange.delete("/simulator/faults")
    assert exchange.response(path).content == archive.read_bytes()


def test_ids_in_the_wrong_order_are_refused(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2)
    answer = exchange.post_response(
        "/simulator/faults", {"fault": "absent", "symbol": "BTCUSDT", "first_id": 9, "last_id": 8}
    )
    assert answer.status_code == 400
    assert "last_id" in answer.json()["error"]
