"""A market that lacks the ids of the `absent` faults; nothing that reads it can tell them from ids that never were."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from dataprovider.simulator.absences import Absences
from dataprovider.simulator.market import Market, Run, Skipped
from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import Trades, joined


class LackingMarket:
    """See market.Market. Everything is asked of `whole`; what it lacks is cut out."""

    def __init__(self, whole: Market, absences: Absences) -> None:
        self._whole = whole
        self._absences = absences

    @property
    def kind(self) -> str:
        return self._whole.kind

    @property
    def contracts(self) -> Sequence[Contract]:
        return self._whole.contracts

    @property
    def running(self) -> bool:
        return self._whole.running

    @property
    def finished(self) -> bool:
        return self._whole.finished

    @property
    def clock_offset_ms(self) -> int:
        return self._whole.clock_offset_ms

    def now_ms(self) -> int:
        return self._whole.now_ms()

    def advance(self, ms: int) -> Skipped:
        return self._whole.advance(ms)

    def start(self) -> None:
        self._whole.start()

    def stop(self) -> int:
        return self._whole.stop()

    def due(self, until_ms: int) -> list[Run]:
        return [piece for run in self._whole.due(until_ms) for piece in self._pieces(run)]

    def ids(self, symbol: str, now_ms: int) -> tuple[int, int]:
        first, end = self._whole.ids(symbol, now_ms)
        if self._absences.within(symbol, first, end):
            newest = self.latest(symbol, 1, end)
            end = int(newest.id[-1]) + 1 if len(newest) else first
            first = min(self._absences.after(symbol, first), end)
        return first, end

    def first_id_since(self, symbol: str, time_ms: int, now_ms: int) -> int:
        found = self._whole.first_id_since(symbol, time_ms, now_ms)
        beyond = self._absences.after(symbol, found)
        return found if beyond == found else min(beyond, self.ids(symbol, now_ms)[1])

    def time_of(self, symbol: str, first_id: int, now_ms: int) -> int | None:
        first, _ = self._whole.ids(symbol, now_ms)
        return self._whole.time_of(symbol, self._absences.after(symbol, max(first, first_id)), now_ms)

    def read(self, symbol: str, first_id: int, end_id: int) -> Iterator[Trades]:
        for first, end in self._absences.outside(symbol, first_id, end_id):
            yield from self._whole.read(symbol, first, end)

    def latest(self, symbol: str, count: int, end_id: int) -> Trades:
        parts: list[Trades] = []
        for absent, end in reversed([(0, 0), *self._absences.within(symbol, 0, end_id)]):
            # Between two ranges that are lacking: from `end` on, up to where the one after begins.
            found = self._whole.latest(symbol, count, end_id)
            found = found.cut(int(np.searchsorted(found.id, end, "left")), len(found))
            parts.insert(0, found)
            count -= len(found)
            end_id = absent
            if not count:
                break
        return joined(parts)

    def _pieces(self, run: Run) -> Iterator[Run]:
        spans = self._absences.of(self._whole.contracts[run.contract].symbol)
        if not spans:
            yield run
            return
        ids = run.frames.trades.id
        start = run.start
        for span in spans:
            first, end = np.clip(np.searchsorted(ids, span, "left"), start, run.end).tolist()
            if start < first:
                yield run._replace(start=start, end=first)
            start = end
        if start < run.end:
            yield run._replace(start=start)
