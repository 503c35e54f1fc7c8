"""Klines and aggregated trades out of the store, in Binance's form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from api.binance import errors
from api.binance.contracts import Contract, Digits, contract
from api.binance.intervals import Interval
from api.candles import Candle
from api.parameters import MAX_TIME_MS
from api.store import Rows, Store


async def klines(
    store: Store, symbol: str, interval: Interval, start: int | None, end: int | None, limit: int
) -> list[list[Any]]:
    """Rows of 12 elements, ascending: with a start (ms) the first that open from there on, without one the last.

    Every candle from the symbol's first trade to the newest time known, as the exchange has them: one without trades
    is flat at the close before it. Only the candle that still runs is left out until it has a trade, when the one
    before it had some: its trades may be on their way, and the one before it is not to look final before they are
    here. Raises BinanceError and what Store.query raises.
    """
    found, oldest = await _known(store, symbol)
    if oldest is None:
        return []
    newest = await _newest(store, symbol, found)
    last = interval.opening(newest if end is None else min(end, newest))
    # One more than asked for: the last one may be left out.
    most = limit + 1 if start is None else limit
    first = _first(interval, last, start, most)
    first = max(first, interval.opening(oldest))
    opens = _openings(interval, first, last, most)
    if not opens:
        return []
    stop = interval.following(opens[-1])
    rows = await store.query(
        "candles_first",
        symbol=symbol,
        timeframe=interval.timeframe,
        since=first // 1000,
        until=stop // 1000,
        limit=(stop - first) // (interval.timeframe * 60_000),
    )
    candles = folded(map(Candle.from_row, rows), interval)
    if stop > newest and len(opens) > 1 and opens[-1] not in candles and opens[-2] in candles:
        opens = opens[:-1]
    before = [] if first in candles else await store.query("trades_latest", symbol=symbol, end=first - 1, limit=1)
    close = before[0][1] if before else None
    digits = found.digits if found else Digits()

    def written() -> list[list[Any]]:
        return [_row(each, interval, digits) for each in _filled(candles, opens, close)][-limit:]

    return await store.run(written)


async def agg_trades(
    store: Store, symbol: str, from_id: int | None, start: int | None, end: int | None, limit: int
) -> list[dict[str, Any]]:
    """Trades, ascending: from an id or a time (ms) on, or else the last. Raises as `klines` does."""
    rows: Rows
    if from_id is not None:
        rows = await store.query("trades_from_id", symbol=symbol, from_id=from_id, limit=limit)
    elif start is not None:
        until = MAX_TIME_MS if end is None else end
        rows = await store.query("trades_by_time", symbol=symbol, start=start, end=until, limit=limit)
    else:
        until = MAX_TIME_MS if end is None else end
        rows = await store.query("trades_latest", symbol=symbol, end=until, limit=limit)
    found = await store.ask_postgres(lambda: contract(symbol))
    if not rows and found is None and not await store.query("symbol_extent", symbols=[symbol]):
        raise errors.invalid_symbol()
    digits = found.digits if found else Digits()
    rows.sort(key=lambda row: (row[0], row[3]))
    return [
        {
            "a": aggregate_id,
            "p": digits.price_text(price),
            "q": digits.quantity_text(quantity),
            "f": first,
            "l": last,
            "T": time,
            "m": bool(maker),
        }
        for aggregate_id, price, quantity, first, last, time, maker in rows
    ]


def folded(candles: Iterable[Candle], interval: Interval) -> dict[int, Candle]:
    """Candles by the time at which the interval's opens; those of days are put together to weeks and months."""
    found: dict[int, Candle] = {}
    for candle in candles:
        open_ms = interval.opening(candle.open_time)
        before = found.get(open_ms)
        found[open_ms] = candle._replace(open_time=open_ms) if before is None else _together(before, candle)
    return found


def _together(one: Candle, other: Candle) -> Candle:
    return Candle(
        open_time=one.open_time,
        # By the ids, as inside of each: rows near a border may lie in the other's time.
        open=min(one, other, key=lambda candle: candle.first_id).open,
        high=max(one.high, other.high),
        low=min(one.low, other.low),
        close=max(one, other, key=lambda candle: candle.last_id).close,
        volume=one.volume + other.volume,
        taker_buy_volume=one.taker_buy_volume + other.taker_buy_volume,
        quote_volume=one.quote_volume + other.quote_volume,
        taker_buy_quote_volume=one.taker_buy_quote_volume + other.taker_buy_quote_volume,
        aggregates=one.aggregates + other.aggregates,
        trades=one.trades + other.trades,
        first_id=min(one.first_id, other.first_id),
        last_id=max(one.last_id, other.last_id),
        sum_of_ids=(one.sum_of_ids + other.sum_of_ids) % 2**64,
    )


async def _known(store: Store, symbol: str) -> tuple[Contract | None, int | None]:
    """The contract, None where only its trades are known, and the time of its first trade."""
    found = await store.ask_postgres(lambda: contract(symbol))
    rows = await store.query("trades_by_time", symbol=symbol, start=0, end=MAX_TIME_MS, limit=1)
    if not rows and found is None:
        raise errors.invalid_symbol()
    return found, rows[0][5] if rows else None


async def _newest(store: Store, symbol: str, found: Contract | None) -> int:
    """The newest time known of the exchange, or the last trade's of a contract that ended."""
    if found is not None and found.ended:
        rows = await store.query("trades_latest", symbol=symbol, end=MAX_TIME_MS, limit=1)
        return int(rows[0][5])
    _, newest = await store.span()
    return newest


def _first(interval: Interval, last: int, start: int | None, limit: int) -> int:
    if start is not None:
        first = interval.opening(start)
        return first if first == start else interval.following(first)
    first = last
    for _ in range(limit - 1):
        if first <= 0:
            break
        first = interval.opening(first - 1)
    return first


def _openings(interval: Interval, first: int, last: int, limit: int) -> list[int]:
    opens: list[int] = []
    while first <= last and len(opens) < limit:
        opens.append(first)
        first = interval.following(first)
    return opens


def _filled(candles: dict[int, Candle], opens: Iterable[int], close: int | None) -> Iterator[Candle]:
    for open_ms in opens:
        candle = candles.get(open_ms)
        if candle is not None:
            close = candle.close
            yield candle
        elif close is not None:
            yield Candle(open_ms, close, close, close, close, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def _row(candle: Candle, interval: Interval, digits: Digits) -> list[Any]:
    return [
        candle.open_time,
        *map(digits.price_text, (candle.open, candle.high, candle.low, candle.close)),
        digits.quantity_text(candle.volume),
        interval.following(candle.open_time) - 1,
        digits.quote_text(candle.quote_volume),
        candle.trades,
        digits.quantity_text(candle.taker_buy_volume),
        digits.quote_text(candle.taker_buy_quote_volume),
        "0",
    ]
