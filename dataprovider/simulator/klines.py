"""Klines as the exchange makes them: the first trade opens, `n` counts fills, empty ones are flat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from operator import mul

import numpy as np

from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import DECIMALS, Int64s, Trades

MINUTE_MS = 60_000
DAY_MS = 86_400_000
#: 1970-01-05 was a Monday: weeks begin there.
FIRST_MONDAY_MS = 4 * DAY_MS
#: Lengths in ms; a month (1M) has none of its own.
INTERVALS: dict[str, int] = {
    **{f"{minutes}m": minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}h": hours * 60 * MINUTE_MS for hours in (1, 2, 4, 6, 8, 12)},
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": 7 * DAY_MS,
    "1M": 0,
}


@dataclass(slots=True)
class Candle:
    """Prices and volumes in 10^-8, quote volumes in 10^-16."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    first: int = -1
    last: int = -1
    volume: int = 0
    quote: int = 0
    trades: int = 0
    taker_volume: int = 0
    taker_quote: int = 0


def opening(interval: str, ms: int) -> int:
    """When the candle begins that holds a time."""
    if interval == "1M":
        month = datetime.fromtimestamp(ms / 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return int(month.timestamp()) * 1000
    offset = FIRST_MONDAY_MS if interval == "1w" else 0
    return (ms - offset) // INTERVALS[interval] * INTERVALS[interval] + offset


def following(interval: str, open_ms: int) -> int:
    """When the candle after this one begins."""
    return opening(interval, open_ms + 32 * DAY_MS) if interval == "1M" else open_ms + INTERVALS[interval]


def fold(pieces: Iterable[Trades], interval: str, candles: dict[int, Candle] | None = None) -> dict[int, Candle]:
    """Add trades (ids ascending) to candles by opening time."""
    candles = {} if candles is None else candles
    for trades in pieces:
        for start, end, open_ms in _stretches(trades.time, interval):
            _add(candles, trades.cut(start, end), open_ms)
    return candles


def filled(
    candles: dict[int, Candle], interval: str, first_ms: int, end_ms: int, close: int | None
) -> Iterator[Candle]:
    """Every candle from `first_ms` to before `end_ms`; `close` is the last price before. Empty ones are flat."""
    open_ms = first_ms
    while open_ms < end_ms:
        candle = candles.get(open_ms)
        if candle is not None:
            close = candle.close
            yield candle
        elif close is not None:
            yield Candle(open_ms, close, close, close, close)
        open_ms = following(interval, open_ms)


def _stretches(times: Int64s, interval: str) -> Iterator[tuple[int, int, int]]:
    """(start, end, opening time) of neighbours in one candle. Times may go back by a little."""
    if not len(times):
        return
    if interval == "1M":
        months = times.astype("datetime64[ms]").astype("datetime64[M]")
        opens = months.astype("datetime64[ms]").astype(np.int64)
    else:
        offset = FIRST_MONDAY_MS if interval == "1w" else 0
        opens = (times - offset) // INTERVALS[interval] * INTERVALS[interval] + offset
    ends = [*(np.flatnonzero(np.diff(opens)) + 1).tolist(), len(times)]
    start = 0
    for end in ends:
        yield start, end, int(opens[start])
        start = end


def _add(candles: dict[int, Candle], trades: Trades, open_ms: int) -> None:
    price = trades.price
    candle = candles.get(open_ms)
    if candle is None:
        first = int(price[0])
        candle = candles[open_ms] = Candle(open_ms, first, first, first, first, first=int(trades.first[0]))
    candle.high = max(candle.high, int(price.max()))
    candle.low = min(candle.low, int(price.min()))
    candle.close = int(price[-1])
    candle.last = int(trades.last[-1])
    candle.trades += int((trades.last - trades.first + 1).sum())
    candle.volume += int(trades.quantity.sum())
    candle.quote += _product(price, trades.quantity)
    bought = ~trades.maker
    candle.taker_volume += int(trades.quantity[bought].sum())
    candle.taker_quote += _product(price[bought], trades.quantity[bought])


def _product(price: Int64s, quantity: Int64s) -> int:
    """Sum of products, exact. In 64 bits only after common factors are taken out, and where it surely fits."""
    if not len(price):
        return 0
    price_unit, quantity_unit = int(np.gcd.reduce(price)) or 1, int(np.gcd.reduce(quantity)) or 1
    prices, quantities = price // price_unit, quantity // quantity_unit
    if int(prices.max()) * int(quantities.max()) * len(prices) < 2**63:
        return int(np.dot(prices, quantities)) * price_unit * quantity_unit
    return sum(map(mul, price.tolist(), quantity.tolist()))


class KlineText:
    """Writes the candles of one contract as the exchange does."""

    def __init__(self, contract: Contract) -> None:
        self._symbol = contract.symbol
        self._price = contract.price_decimals
        self._quantity = contract.quantity_decimals
        self._quote = contract.price_decimals + contract.quantity_decimals

    def row(self, candle: Candle, interval: str) -> list[object]:
        """The 12 elements of /fapi/v1/klines."""
        return [
            candle.open_ms,
            *(_decimal(value, self._price) for value in (candle.open, candle.high, candle.low, candle.close)),
            _decimal(candle.volume, self._quantity),
            following(interval, candle.open_ms) - 1,
            self._quote_text(candle.quote),
            candle.trades,
            _decimal(candle.taker_volume, self._quantity),
            self._quote_text(candle.taker_quote),
            "0",
        ]

    def event(self, candle: Candle, interval: str, *, event_ms: int, closed: bool) -> dict[str, object]:
        """The kline event of the streams."""
        return {
            "e": "kline",
            "E": event_ms,
            "s": self._symbol,
            "k": {
                "t": candle.open_ms,
                "T": following(interval, candle.open_ms) - 1,
                "s": self._symbol,
                "i": interval,
                "f": candle.first,
                "L": candle.last,
                "o": _decimal(candle.open, self._price),
                "c": _decimal(candle.close, self._price),
                "h": _decimal(candle.high, self._price),
                "l": _decimal(candle.low, self._price),
                "v": _decimal(candle.volume, self._quantity),
                "n": candle.trades,
                "x": closed,
                "q": self._quote_text(candle.quote),
                "V": _decimal(candle.taker_volume, self._quantity),
                "Q": self._quote_text(candle.taker_quote),
                "B": "0",
            },
        }

    def _quote_text(self, value: int) -> str:
        return _written(value, 2 * DECIMALS, self._quote)


def _decimal(value: int, decimals: int) -> str:
    return _written(value, DECIMALS, decimals)


def _written(value: int, scale: int, decimals: int) -> str:
    whole, fraction = divmod(value, 10**scale)
    return f"{whole}.{fraction:0{scale}d}"[: len(str(whole)) + 1 + decimals] if decimals else str(whole)
