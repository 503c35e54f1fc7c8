"""The current candle (and those just before it) of one symbol in one interval. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from api.binance.intervals import Interval
from api.candles import END_OF_TIME, NO_EVIDENCE, Candle, Evidence, Verdict, judged
from api.streaming.minutes import SymbolMinutes, joined


@dataclass(frozen=True, slots=True)
class Shown:
    """A candle as subscribers have it."""

    candle: Candle
    verdict: Verdict
    #: Whether it was sent as closed before, with other trades, or lacked some that have come since.
    corrected: bool = False

    def differs(self, candle: Candle, verdict: Verdict) -> bool:
        """Whether this is not what subscribers have."""
        return self.candle != candle or self.verdict != verdict


class Chart:
    """Folds a symbol's minutes into candles and says which changed.

    `shown` is what subscribers know of each candle from the floor on, by open time (ms).
    """

    def __init__(self, symbol: str, interval: Interval) -> None:
        self.symbol = symbol
        self.interval = interval
        #: What is stored of the floor's candle before the floor, and the last id before that candle.
        self.base: Candle | None = None
        self.id_before: int | None = None
        self.evidence: Evidence = NO_EVIDENCE
        self.shown: dict[int, Shown] = {}
        #: End (ms) of the newest candle that is proven complete.
        self.complete_until: int | None = None
        #: The candles without the newest minute, and of which minutes and base they were made.
        self._older: list[Candle] = []
        self._older_version = -1
        self._older_base: Candle | None = None

    def opens_at(self, time_ms: int) -> int:
        """The open time of the candle that holds this time."""
        return self.interval.opening(time_ms)

    def fold(self, gone: Iterable[Candle], floor: int) -> None:
        """Take minutes that fell below the floor into the base; forget candles that ended there."""
        for minute in gone:
            open_time = self.opens_at(minute.open_time)
            if self.base is not None and self.base.open_time != open_time:
                self._leave(self.base)
            self.base = joined(open_time, [minute] if self.base is None else [self.base, minute])
        first = self.opens_at(floor)
        if self.base is not None and self.base.open_time < first:
            self._leave(self.base)
        for open_time in [at for at in self.shown if at < first]:
            del self.shown[open_time]

    def _leave(self, candle: Candle) -> None:
        self.id_before, self.base = candle.last_id, None

    def candles(self, minutes: SymbolMinutes) -> list[Candle]:
        """The candles from the floor's one on, ascending."""
        newest = minutes.newest
        if newest is None:
            return [] if self.base is None else [self.base]
        if self._older_version != minutes.older_version or self._older_base is not self.base:
            self._older = self._joined(each for each in minutes.candles() if each is not newest)
            self._older_version, self._older_base = minutes.older_version, self.base
        candles = self._older.copy()
        open_time = self.opens_at(newest.open_time)
        if candles and candles[-1].open_time == open_time:
            candles[-1] = joined(open_time, [candles[-1], newest])
        else:
            candles.append(joined(open_time, [newest]))
        return candles

    def _joined(self, minutes: Iterable[Candle]) -> list[Candle]:
        """The candles of the base and these minutes, ascending."""
        parts: dict[int, list[Candle]] = {}
        if self.base is not None:
            parts[self.base.open_time] = [self.base]
        for minute in minutes:
            parts.setdefault(self.opens_at(minute.open_time), []).append(minute)
        return [joined(open_time, parts[open_time]) for open_time in sorted(parts)]

    def verdicts(self, candles: list[Candle], closed_until: int) -> list[Verdict]:
        """As REST judges them; `closed_until` (ms): the time that the symbol is known to have passed."""
        if self.interval.minutes is None:
            # Nobody is told whether a month is complete.
            ends = [self.interval.following(candle.open_time) for candle in candles]
            return [Verdict(closed=end <= closed_until, complete=False) for end in ends]
        return judged(
            candles,
            timeframe=self.interval.minutes,
            id_before=self.id_before,
            id_after=None,
            exchange_time=closed_until,
            evidence=self.evidence,
        )

    def changes(
        self, minutes: SymbolMinutes, closed_until: int, repaired: Iterable[tuple[int, int]] = ()
    ) -> list[Shown]:
        """Every candle that is not as it was the last time, ascending.

        `repaired`: ranges of time (ms, both included) in which trades that were missing have been fetched since.
        """
        candles = self.candles(minutes)
        changed = []
        for candle, verdict in zip(candles, self.verdicts(candles, closed_until), strict=True):
            before = self.shown.get(candle.open_time)
            if before is not None and not before.differs(candle, verdict):
                continue
            corrected = before is not None and (
                before.candle != candle
                and (
                    before.verdict.closed
                    or candle.lacking < before.candle.lacking
                    or candle.first_id < before.candle.first_id
                    or self._is_touched(candle, repaired)
                )
            )
            shown = self.shown[candle.open_time] = Shown(candle, verdict, corrected)
            self.note(candle, verdict)
            changed.append(shown)
        return changed

    def next_end(self) -> int:
        """When the first candle ends (ms) that subscribers do not know to be closed; the far future without one."""
        ends = [self.interval.following(at) for at, shown in self.shown.items() if not shown.verdict.closed]
        return min(ends, default=END_OF_TIME * 1000)

    def _is_touched(self, candle: Candle, ranges: Iterable[tuple[int, int]]) -> bool:
        end = self.interval.following(candle.open_time)
        return any(first < end and last >= candle.open_time for first, last in ranges)

    def note(self, candle: Candle, verdict: Verdict) -> None:
        """Remember how far candles are complete."""
        if verdict.complete:
            end = self.interval.following(candle.open_time)
            self.complete_until = max(self.complete_until or 0, end)
