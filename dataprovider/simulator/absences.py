"""Ids the exchange itself lacks, as ranges."""

from __future__ import annotations

from collections.abc import Iterator

from dataprovider.simulator.faults import Absent, Faults

#: First id, and the one after the last.
Span = tuple[int, int]


class Absences:
    """The `absent` faults that are on. May be asked from any thread."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def of(self, symbol: str) -> list[Span]:
        """What a symbol lacks: ascending and apart."""
        found = sorted(
            (fault.first_id, fault.last_id + 1) for fault in self._faults.of(Absent) if fault.symbol == symbol
        )
        merged: list[Span] = []
        for first, end in found:
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((first, end))
        return merged

    def within(self, symbol: str, first_id: int, end_id: int) -> list[Span]:
        """What is lacking of the ids first_id..end_id-1."""
        cut = ((max(first, first_id), min(end, end_id)) for first, end in self.of(symbol))
        return [(first, end) for first, end in cut if first < end]

    def outside(self, symbol: str, first_id: int, end_id: int) -> Iterator[Span]:
        """What is there of the ids first_id..end_id-1."""
        for first, end in self.within(symbol, first_id, end_id):
            if first_id < first:
                yield first_id, first
            first_id = end
        if first_id < end_id:
            yield first_id, end_id

    def after(self, symbol: str, wanted: int) -> int:
        """This id, or the first beyond the range it lacks."""
        return next((end for first, end in self.of(symbol) if first <= wanted < end), wanted)
