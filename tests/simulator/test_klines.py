"""Klines of REST and of the streams are the fold of the trades."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np

from dataprovider.simulator.klines import fold, opening
from dataprovider.simulator.trades import Trades
from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import StreamClient
from tests.simulator.test_stream_equals_rest import rows_by_id

Start = Callable[..., RunningExchange]
MINUTE_MS = 60_000


def folded(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A candle's numbers, counted by hand."""
    prices = [Decimal(row["p"]) for row in rows]
    bought = [row for row in rows if not row["m"]]
    return {
        "o": prices[0],
        "h": max(prices),
        "l": min(prices),
        "c": prices[-1],
        "v": sum(Decimal(row["q"]) for row in rows),
        "q": sum(Decimal(row["q"]) * Decimal(row["p"]) for row in rows),
        "n": sum(row["l"] - row["f"] + 1 for row in rows),
        "V": sum(Decimal(row["q"]) for row in bought),
        "Q": sum(Decimal(row["q"]) * Decimal(row["p"]) for row in bought),
    }


def numbers(row: list[Any]) -> dict[str, Any]:
    names = ("o", "h", "l", "c", "v", None, "q", "n", "V", "Q")
    return {name: Decimal(value) for name, value in zip(names, row[1:], strict=False) if name}


def test_rest_klines_are_the_fold_of_rest_trades(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=4, rate=60)
    rows = exchange.get("/fapi/v1/klines", symbol="ETHUSDT", interval="5m", limit=3)
    assert [row[0] for row in rows] == [rows[0][0] + number * 5 * MINUTE_MS for number in range(3)]
    for row in rows[:2]:
        first = exchange.get("/fapi/v1/aggTrades", symbol="ETHUSDT", startTime=row[0], limit=1)[0]["a"]
        last = exchange.get("/fapi/v1/aggTrades", symbol="ETHUSDT", endTime=row[6], limit=1)[0]["a"]
        trades = rows_by_id(exchange, "ETHUSDT", first, last - first + 1)
        assert numbers(row) == folded(trades)
        assert row[6] == row[0] + 5 * MINUTE_MS - 1
        assert row[11] == "0"


def test_minutes_without_trades_are_flat_at_the_close_before(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=60, rate=100)
    quiet = exchange.get("/fapi/v1/exchangeInfo")["symbols"][-1]["symbol"]
    rows = exchange.get("/fapi/v1/klines", symbol=quiet, interval="1m", limit=120)
    assert [row[0] for row in rows] == [rows[0][0] + number * MINUTE_MS for number in range(120)]
    empty = [(before, row) for before, row in pairwise(rows) if row[8] == 0]
    assert len(empty) > 60
    for before, row in empty:
        assert row[1] == row[2] == row[3] == row[4] == before[4]
        assert Decimal(row[5]) == Decimal(row[7]) == 0


def test_windows_intervals_and_errors_of_klines(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=4, rate=20)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    begin = now // MINUTE_MS * MINUTE_MS - 30 * MINUTE_MS

    def opens(**params: Any) -> list[int]:
        return [row[0] for row in exchange.get("/fapi/v1/klines", **{"symbol": "BTCUSDT", "interval": "1m", **params})]

    assert opens(startTime=begin, limit=3) == [begin, begin + MINUTE_MS, begin + 2 * MINUTE_MS]
    assert opens(startTime=begin + 1, limit=1) == [begin + MINUTE_MS]
    assert opens(startTime=begin, endTime=begin + 2 * MINUTE_MS) == [begin, begin + MINUTE_MS, begin + 2 * MINUTE_MS]
    assert opens(endTime=begin, limit=2) == [begin - MINUTE_MS, begin]
    assert opens(interval="1h", limit=2)[-1] == now // 3_600_000 * 3_600_000
    refusals: list[tuple[dict[str, Any], int]] = [
        ({"interval": "7m"}, -1120),
        ({"interval": ""}, -1102),
        ({"limit": 1501}, -1130),
        ({"symbol": "X"}, -1121),
    ]
    for params, code in refusals:
        answer = exchange.response("/fapi/v1/klines", **{"symbol": "BTCUSDT", "interval": "1m", **params})
        assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_kline_stream_agrees_with_the_trades_it_counts(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=4, rate=300)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@kline_1m/ethusdt@kline_1m") as client:
        client.read_until(lambda: len(client.messages) > 12, "klines")
        events = [message["data"] for message in client.messages]
        assert {message["stream"] for message in client.messages} == {"btcusdt@kline_1m", "ethusdt@kline_1m"}
    event = events[-1]
    kline = event["k"]
    first = exchange.get("/fapi/v1/aggTrades", symbol=event["s"], startTime=kline["t"], limit=1)[0]["a"]
    trades = rows_by_id(exchange, event["s"], first, 1)
    while trades[-1]["l"] < kline["L"]:
        more = exchange.get("/fapi/v1/aggTrades", symbol=event["s"], fromId=trades[-1]["a"] + 1, limit=1000)
        trades += [row for row in more if row["l"] <= kline["L"]]
    assert trades[-1]["l"] == kline["L"], "a kline ends with an aggregate"
    assert trades[0]["f"] == kline["f"]
    assert {name: Decimal(kline[name]) for name in "ohlcvqnVQ"} == folded(trades)
    assert (event["e"], kline["i"], kline["T"]) == ("kline", "1m", kline["t"] + MINUTE_MS - 1)
    assert kline["x"] is False


def test_a_closed_minute_is_sent_as_closed_and_equals_rest(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=4, rate=50)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@kline_1m") as client:
        closed = client.wait_for(lambda message: message["data"]["k"]["x"], "a closed minute", 80)["data"]["k"]
        opens = [message["data"]["k"]["t"] for message in client.messages]
    assert opens == sorted(opens)
    row = exchange.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1m", startTime=closed["t"], limit=1)[0]
    assert [closed[name] for name in "tohlcvTqnVQB"] == row


def test_folds_too_large_for_64_bits_are_exact() -> None:
    count = 1000
    ids = np.arange(count, dtype=np.int64)
    price = 99_999_999_00000001 + ids
    quantity = 999_999_00000003 + 2 * ids
    trades = Trades(ids, price, quantity, None, ids, ids, ids, ids, np.zeros(count, dtype=np.bool_))
    expected = sum(one * other for one, other in zip(price.tolist(), quantity.tolist(), strict=True))
    assert fold([trades], "1m")[0].quote == expected > 2**63


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    sunday = 1_795_305_600_000  # 2026-11-22
    assert opening("1w", sunday) == sunday - 6 * 86_400_000
    assert opening("1M", sunday) == sunday - 21 * 86_400_000
