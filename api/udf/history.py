"""Bars of a range, or so many before a time: the candles of /api/v1 by columns."""

from __future__ import annotations

from collections.abc import Sequence

from api.binance.intervals import Interval
from api.binance.klines import folded
from api.candles import Candle, Window
from api.market import check_known, read_candles
from api.store import Store
from api.udf.errors import UdfError
from dataprovider.decimals import to_text

#: Bars in one answer; a chart asks for some hundreds.
MAX_BARS = 30_000
_DAY = 1440


async def history(store: Store, symbol: str, interval: Interval, start: int, end: int, countback: int | None) -> bytes:
    """The answer, as JSON: the bars that open in [start, end) (ms), with a `countback` the last so many before the end.

    Buckets without trades have no bar. Where no bar is, `nextTime` is when the one before it opens.
    Raises UdfError, UnknownSymbol and what Store.query raises.
    """
    if countback is None:
        found = await _bars(store, symbol, interval, start, end, MAX_BARS + 1)
        if len(found) > MAX_BARS:
            raise UdfError(400, f"from: the range holds more than {MAX_BARS} bars; ask for a shorter one")
    else:
        found = await _bars(store, symbol, interval, 0, end, countback)
    if found:
        return _columns(found)
    before = await _bars(store, symbol, interval, 0, min(start, end), 1)
    if before:
        return b'{"s":"no_data","nextTime":%d}' % (before[-1].open_time // 1000)
    await check_known(store, symbol)
    return b'{"s":"no_data"}'


async def _bars(store: Store, symbol: str, interval: Interval, start: int, end: int, most: int) -> list[Candle]:
    """The last `most` that open in [start, end) (ms), ascending."""
    if end <= start:
        return []
    oldest, newest = await store.span()
    is_folded = interval.timeframe != interval.minutes
    # Weeks and months are put together from all of their days.
    since = interval.opening(start) if is_folded else start
    until = interval.following(interval.opening(end - 1)) if is_folded else end
    window = Window.of_open_times(interval.timeframe, since, until - 1).within(
        oldest // 1000, newest // 1000, interval.timeframe
    )
    limit = (window.until - window.since) // (_DAY * 60) if is_folded else most
    candles = await read_candles(store, symbol, window, interval.timeframe, limit, newest_first=True)
    candles.reverse()
    if is_folded:
        candles = [each for each in folded(candles, interval).values() if start <= each.open_time < end]
    return candles[-most:]


def _columns(bars: Sequence[Candle]) -> bytes:
    columns = {
        "t": [str(bar.open_time // 1000) for bar in bars],
        "o": [to_text(bar.open) for bar in bars],
        "h": [to_text(bar.high) for bar in bars],
        "l": [to_text(bar.low) for bar in bars],
        "c": [to_text(bar.close) for bar in bars],
        "v": [to_text(bar.volume) for bar in bars],
    }
    written = ",".join(f'"{name}":[{",".join(values)}]' for name, values in columns.items())
    return f'{{"s":"ok",{written}}}'.encode()
