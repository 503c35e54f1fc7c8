"""The minute in progress equals the trades it was made of."""

from __future__ import annotations

import json
import random
from collections import defaultdict

from collectors.binance.frames import decode
from collectors.live import LiveMinutes, MinuteBar
from collectors.trade import Trade
from dataprovider.decimals import ONE, to_count
from tests.collectors.trades import START_MS, trade
from tests.shared_data import SHARED_DATA, needs_shared_data

MINUTE = START_MS // 60_000 * 60_000


def fold(trades: list[Trade]) -> dict[int, MinuteBar]:
    bars: dict[int, MinuteBar] = {}
    minutes = LiveMinutes(lambda bar: bars.__setitem__(bar.minute, bar))
    for each in trades:
        minutes.add(each)
    return bars


def test_the_order_of_arrival_does_not_change_a_bar() -> None:
    source = random.Random(7)
    trades = [
        Trade("X", n, source.randrange(1, 10**9), source.randrange(10**9), n, n + n % 3, MINUTE + n // 4, n % 2 == 0, 0)
        for n in range(200)
    ]
    (expected,) = fold(trades).values()
    source.shuffle(trades)
    (bar,) = fold(trades).values()
    assert bar == expected
    assert (bar.open, bar.close) == (trades_by_id(trades)[0].price, trades_by_id(trades)[-1].price)
    assert bar.quote_volume == sum(each.price * each.quantity for each in trades)


def trades_by_id(trades: list[Trade]) -> list[Trade]:
    return sorted(trades, key=lambda each: each.aggregate_id)


def test_a_trade_of_the_next_minute_closes_the_one_before() -> None:
    bars = fold([trade(1, ms=MINUTE), trade(2, ms=MINUTE + 59_999), trade(3, ms=MINUTE + 60_000)])
    assert (bars[MINUTE].closed, bars[MINUTE].aggregates) == (True, 2)
    assert (bars[MINUTE + 60_000].closed, bars[MINUTE + 60_000].whole) == (False, True)


def test_a_late_trade_corrects_the_closed_minute() -> None:
    bars = fold([trade(1, ms=MINUTE), trade(3, ms=MINUTE + 60_000), trade(2, ms=MINUTE + 59_999)])
    assert (bars[MINUTE].last_id, bars[MINUTE].aggregates, bars[MINUTE].closed) == (2, 2, True)


def test_a_trade_that_is_dated_ahead_closes_nothing_and_is_in_no_minute() -> None:
    bars: dict[int, MinuteBar] = {}
    minutes = LiveMinutes(lambda bar: bars.__setitem__(bar.minute, bar), lambda: MINUTE + 119_999)
    for number, ms in enumerate((999_999, 0, 120_000, 0), 1):
        minutes.add(trade(number, ms=MINUTE + ms))
    assert (list(bars), bars[MINUTE].closed, bars[MINUTE].aggregates) == ([MINUTE], False, 2)
    minutes.add(trade(5, ms=MINUTE + 119_999))
    assert (bars[MINUTE].closed, bars[MINUTE + 60_000].whole) == (True, True)


def test_time_alone_closes_a_minute() -> None:
    changed: list[tuple[int, bool]] = []
    minutes = LiveMinutes(lambda bar: changed.append((bar.minute, bar.closed)))
    minutes.add(trade(1, ms=MINUTE))
    minutes.close_if_past(MINUTE + 59_999)
    minutes.close_if_past(MINUTE + 60_000)
    minutes.close_if_past(MINUTE + 61_000)
    assert changed == [(MINUTE, False), (MINUTE, True)]


@needs_shared_data
def test_real_klines_equal_the_fold_of_the_real_trades_beside_them() -> None:
    """Compared is a kline that begins inside the capture and whose last trade is the last of an aggregate."""
    compared = 0
    for path in sorted((SHARED_DATA / "ws").glob("*kline.jsonl")):
        trades: dict[str, list[Trade]] = defaultdict(list)
        for line in path.read_bytes().splitlines():
            data = json.loads(line)["data"]
            if data["e"] == "aggTrade":
                trades[data["s"]].extend(decode([line], {data["s"]}).trades)
        for line in path.read_bytes().splitlines():
            data = json.loads(line)["data"]
            if data["e"] != "kline":
                continue
            kline = data["k"]
            inside = [t for t in trades[kline["s"]] if kline["t"] <= t.timestamp <= kline["T"]]
            inside = [t for t in inside if t.last_trade_id <= kline["L"]]
            if not inside or inside[0].first_trade_id != kline["f"] or inside[-1].last_trade_id != kline["L"]:
                continue
            (bar,) = fold(inside).values()
            compared += 1
            for got, name in ((bar.open, "o"), (bar.high, "h"), (bar.low, "l"), (bar.close, "c"), (bar.volume, "v")):
                assert got == to_count(kline[name])
            assert bar.quote_volume == to_count(kline["q"]) * ONE
            assert (bar.taker_buy_volume, bar.trades) == (to_count(kline["V"]), kline["n"])
    assert compared >= 1
