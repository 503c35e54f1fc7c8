"""Reading a watched symbol from the store: its newest minutes, and what its charts need of before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api.candles import END_OF_TIME, Candle, Window, needs_evidence
from api.market import evidence_for, neighbours
from api.store import Store
from api.streaming.chart import Chart
from api.streaming.known import OpenGap
from api.streaming.minutes import MINUTE_MS, SymbolMinutes, joined
from api.streaming.span import StoredSpan


@dataclass(frozen=True, slots=True)
class _Beginning:
    """What is stored of a chart's candle before the floor, and the last id before that candle."""

    chart: Chart
    base: Candle | None
    id_before: int | None

    @property
    def id_before_floor(self) -> int | None:
        return self.id_before if self.base is None else self.base.last_id


class Reading:
    """Reads one symbol. Every method raises what Store.query raises."""

    def __init__(self, store: Store, symbol: str, span: StoredSpan) -> None:
        self._store = store
        self._symbol = symbol
        self._span = span

    async def read(self, minutes: SymbolMinutes, charts: Iterable[Chart], repaired: Iterable[OpenGap]) -> None:
        """Read all that is stored of the minutes and charts, and put it in at once at the end.

        The floor must stay where it is meanwhile. `explain` is due after it.
        """
        floor = minutes.floor
        rows, repairs, read = await asyncio.gather(
            self._candles(1, floor, END_OF_TIME * 1000),
            self._repairs(minutes, repaired),
            asyncio.gather(*(self._chart(chart, floor) for chart in charts)),
        )
        beginnings = await self._beginnings(minutes, {row.open_time: row for row in rows})
        minutes.id_before = read[0].id_before_floor if read else await self._id_before(floor)
        minutes.take_stored(rows)
        for minute, first_id, beginning in beginnings:
            minutes.take_beginning(minute, first_id, beginning)
        for minute, ids, candle in repairs:
            minutes.take_repair(minute, ids, candle)
        for each in read:
            each.chart.base, each.chart.id_before = each.base, each.id_before

    async def read_chart(self, minutes: SymbolMinutes, chart: Chart) -> None:
        """Read what a new chart needs of before the floor. `explain` is due after it."""
        each = await self._chart(chart, minutes.floor)
        chart.base, chart.id_before = each.base, each.id_before

    async def read_beginnings(self, minutes: SymbolMinutes) -> None:
        """Read what is stored of minutes inside of which their worker began, where that is not known."""
        for minute, first_id, beginning in await self._beginnings(minutes):
            minutes.take_beginning(minute, first_id, beginning)

    async def explain(self, minutes: SymbolMinutes, charts: Iterable[Chart], closed_until: int) -> None:
        """Ask Postgres about ids that are missing in these charts."""
        for chart in charts:
            candles = chart.candles(minutes)
            if candles and needs_evidence(chart.verdicts(candles, closed_until), None):
                chart.evidence = await evidence_for(self._store, self._symbol, candles, chart.id_before, None)

    async def _chart(self, chart: Chart, floor: int) -> _Beginning:
        opened = chart.opens_at(floor)
        parts, before = await asyncio.gather(
            self._candles(chart.interval.timeframe, opened, floor), self._id_before(opened)
        )
        return _Beginning(chart, joined(opened, parts) if parts else None, before)

    async def _id_before(self, since_ms: int) -> int | None:
        oldest, newest = await self._span()
        window = Window(since_ms // 1000, END_OF_TIME)
        before, _ = await neighbours(self._store, self._symbol, window, oldest // 1000, newest // 1000)
        return before

    async def _candles(self, timeframe: int, since_ms: int, until_ms: int) -> list[Candle]:
        if since_ms >= until_ms:
            return []
        span = {"since": since_ms // 1000, "until": until_ms // 1000, "limit": 1_000_000}
        rows = await self._store.query("candles_first", symbol=self._symbol, timeframe=timeframe, **span)
        return [Candle.from_row(row) for row in rows]

    async def _beginnings(
        self, minutes: SymbolMinutes, stored: Mapping[int, Candle] | None = None
    ) -> list[tuple[int, int, Candle | None]]:
        """`stored`: the minutes as they were just read; one that begins no earlier than its worker has no more."""

        async def beginning(minute: int, first_id: int) -> Candle | None:
            if stored is not None and (minute not in stored or stored[minute].first_id >= first_id):
                return None
            return await self._part(minute, 0, first_id - 1)

        return [(minute, first_id, await beginning(minute, first_id)) for minute, first_id in minutes.lacking()]

    async def _repairs(
        self, minutes: SymbolMinutes, repaired: Iterable[OpenGap]
    ) -> list[tuple[int, tuple[int, int], Candle]]:
        found = []
        for minute in minutes.with_holes():
            for gap in repaired:
                first, last = gap.times
                if first < minute + MINUTE_MS and last >= minute:
                    candle = await self._part(minute, *gap.ids)
                    if candle is not None:
                        found.append((minute, gap.ids, candle))
        return found

    async def _part(self, minute: int, first_id: int, last_id: int) -> Candle | None:
        """What is stored of these ids (both included) in this minute."""
        if last_id < first_id:
            return None
        ids = {"first_id": first_id, "last_id": last_id}
        span = {"start": minute, "end": minute + MINUTE_MS - 1}
        rows = await self._store.query("minute_of_ids", symbol=self._symbol, **span, **ids)
        return Candle.from_row(rows[0]) if rows else None
