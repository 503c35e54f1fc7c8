"""Candles recomputed from raw trades in plain integers, without a line of the project's own folding."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from functools import cache

from dataprovider.decimals import to_count
from tests.clickhouse.trades import NEW_YEAR, Row
from tests.shared_data import SHARED_DATA

MINUTE = 60_000


@dataclass
class PlainCandle:
    """Prices and volumes in counts of 10^-8, quote volumes of 10^-16."""

    open: int
    high: int
    low: int
    close: int
    volume: int = 0
    _: KW_ONLY
    quote: int = 0
    taker_buy: int = 0
    taker_buy_quote: int = 0
    trades: int = 0
    aggregates: int = 0


def plain_candles(rows: Iterable[Row], opening: Callable[[int], int]) -> dict[int, PlainCandle]:
    """By open time (ms), ascending. `opening` says when the candle opens that holds a time."""
    found: dict[int, PlainCandle] = {}
    for row in sorted(rows, key=lambda row: (row.aggregate_id, row.first)):
        candle = found.setdefault(opening(row.time), PlainCandle(row.price, row.price, row.price, row.price))
        candle.close = row.price
        candle.high = max(candle.high, row.price)
        candle.low = min(candle.low, row.price)
        candle.volume += row.quantity
        candle.quote += row.price * row.quantity
        candle.taker_buy += 0 if row.maker else row.quantity
        candle.taker_buy_quote += 0 if row.maker else row.price * row.quantity
        candle.trades += row.last - row.first + 1
        candle.aggregates += 1
    return dict(sorted(found.items()))


def minutes(count: int) -> Callable[[int], int]:
    """Buckets of so many minutes since 1970."""
    return lambda ms: ms - ms % (count * MINUTE)


def made_up_days(days: int = 2, *, seed: int = 7) -> list[Row]:
    """Bursts and silences of hours, several trades in a millisecond, and digits that no float holds."""
    draw = random.Random(seed)
    rows, time, price = [], NEW_YEAR, to_count("42283.58")
    trade_id = 4_416_563_443
    for aggregate_id in range(2_012_155_433, 2_012_155_433 + 30_000):
        time += (
            draw.choice((0, 0, 1, 7, 400, 9_000)) if draw.random() < 0.9985 else draw.randrange(days * 2 * 3_600_000)
        )
        if time >= NEW_YEAR + days * 86_400_000:
            break
        price = max(1, price + draw.randrange(-90_000_001, 90_000_002))
        first, trade_id = trade_id, trade_id + draw.choice((1, 1, 1, 2, 9))
        quantity = draw.choice((1, 100_000, draw.randrange(1, 10**14)))
        rows.append(Row(aggregate_id, time, price, quantity, first, trade_id - 1, draw.randrange(2)))
    return rows


@cache
def real_morning() -> list[Row]:
    """BTCUSDT of 2024-01-01, 00:00 to 12:00 UTC."""
    folder = SHARED_DATA / "archives/futures/um/daily/aggTrades/BTCUSDT"
    with zipfile.ZipFile(folder / "BTCUSDT-aggTrades-2024-01-01.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode()
    return [
        Row(int(a), int(time), to_count(price), to_count(quantity), int(first), int(last), int(maker == "true"))
        for a, price, quantity, first, last, time, maker in csv.reader(io.StringIO(text))
        if a.isdigit()
    ]
