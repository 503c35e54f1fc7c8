"""Candles of any range, read in pieces, each with the verdict that data/klines gives it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from api.candles import Candle, Verdict, Window, judged, needs_evidence
from api.export.parameters import CandlesExport
from api.market import check_known, check_range, evidence_for, neighbours
from api.store import Store

#: Candles that are in memory at once, as one piece, and minutes that are folded by one query.
PIECE = 20_000
PIECE_MINUTES = 172_800

Judged = list[tuple[Candle, Verdict]]


async def candle_pieces(store: Store, symbol: str, asked: CandlesExport) -> AsyncIterator[Judged]:
    """The candles that open in the range, ascending, at most PIECE at once; no empty piece.

    Raises BadParameter, UnknownSymbol and what Store.query raises, before the first piece or between two.
    """
    check_range(asked.start_time, asked.end_time)
    extent = await store.query("symbol_extent", symbols=[symbol])
    if not extent:
        await check_known(store, symbol)
        return
    ((*_, first_day, _),) = extent
    oldest, newest = await store.span()
    window = Window.of_open_times(asked.timeframe, asked.start_time, asked.end_time).within(
        first_day, newest // 1000, asked.timeframe
    )
    before, behind = await neighbours(store, symbol, window, oldest // 1000, newest // 1000)

    async def judge(candles: list[Candle], id_before: int | None, id_after: int | None) -> Judged:
        """A verdict for each: the candles next to a piece are in other pieces."""
        for_all = {"timeframe": asked.timeframe, "exchange_time": newest}
        ids = {"id_before": id_before, "id_after": id_after}
        verdicts = judged(candles, **for_all, **ids)  # type: ignore[arg-type]
        if needs_evidence(verdicts, id_after):
            evidence = await evidence_for(store, symbol, candles, id_before, id_after)
            verdicts = judged(candles, **for_all, **ids, evidence=evidence)  # type: ignore[arg-type]
        return list(zip(candles, verdicts, strict=True))

    held: list[Candle] = []
    for since, until in _spans(window, asked.timeframe):
        rows = await store.query(
            "candles_first", symbol=symbol, timeframe=asked.timeframe, since=since, until=until, limit=PIECE
        )
        found = [Candle.from_row(row) for row in rows]
        if not found:
            continue
        if held:
            yield await judge(held, before, found[0].first_id)
            before = held[-1].last_id
        held = found
    if held:
        yield await judge(held, before, behind)


def _spans(window: Window, timeframe: int) -> list[tuple[int, int]]:
    """The window in pieces of whole candles (seconds)."""
    step = max(1, min(PIECE, PIECE_MINUTES // timeframe)) * timeframe * 60
    return [(since, min(since + step, window.until)) for since in range(window.since, window.until, step)]
