"""Which aggregate ids of one symbol have been seen, what to store, and what is missing. No clock, no I/O.

The exchange numbers a symbol's aggregated trades without holes, so a trade is judged by its id alone:
the next id is stored; a later one leaves a hole; an earlier one fills a hole, or was seen before, or is a different
trade under an id that was used twice (SOLUSDT 926014272, 2025-07-16), which is told by its first_trade_id.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from collectors.trade import Trade

#: How many of the newest trades are remembered to tell a duplicate from a different trade under the same id.
TAIL = 512
#: A jump of more ids than this is believed only when the next trade continues it (a number may be absurd).
SUSPICIOUS_JUMP = 100_000
#: How far behind a suspicious trade its successor may be and still confirm it.
CONFIRMING_DISTANCE = 1_000
#: How far before a symbol's very first trade here one may still come late and be kept.
LATE_DISTANCE = 100


class Cause(StrEnum):
    """Why ids may not continue (the values of GapCause)."""

    STREAM = "stream"
    RECONNECT = "reconnect"
    RESTART = "restart"


class Verdict(StrEnum):
    """What a boundary (a connect, a reconnect, a start) turned out to be."""

    FIRST = "first"  # nothing was stored before: this is where the symbol's trades begin here
    CONTIGUOUS = "contiguous"  # the first id after is the last id before + 1
    OVERLAP = "overlap"  # the first id after was already there
    GAP = "gap"  # ids in between are missing


@dataclass(slots=True)
class Hole:
    """Ids first_id..last_id (both included) that have not been seen."""

    first_id: int
    last_id: int
    cause: Cause
    before_ms: int | None
    after_ms: int | None
    since: float


@dataclass(frozen=True, slots=True)
class Boundary:
    """The verdict over one connect, reconnect or start of a symbol."""

    cause: Cause
    last_before: int | None
    first_after: int
    verdict: Verdict


class Continuity:
    """The ids of one symbol.

    `next_id` is the only id that continues what was seen, or -1 while a boundary awaits its verdict. The hot path
    compares a trade's id with it and, when equal, adds one and appends its first_trade_id to `tail`; every other
    trade goes through `irregular`.
    """

    __slots__ = (
        "_awaited",
        "_before",
        "_cause",
        "_floor",
        "_suspect",
        "_twins",
        "boundaries",
        "holes",
        "last_ms",
        "next_id",
        "rejected",
        "tail",
    )

    def __init__(self, frontier: int | None, cause: Cause = Cause.RESTART) -> None:
        """`frontier` is the highest stored id (what is missing below it is already known), None for a new symbol."""
        self.next_id = -1
        self.tail: deque[int] = deque(maxlen=TAIL)
        self.holes: list[Hole] = []
        self.boundaries: list[Boundary] = []
        self.rejected: list[Trade] = []
        self.last_ms: int | None = None
        self._awaited: int | None = None if frontier is None else frontier + 1
        #: The last id before the interruption, whatever the exchange said since.
        self._before: int | None = frontier
        self._cause: Cause | None = cause
        self._suspect: Trade | None = None
        #: The lowest id of a symbol that began here: what arrives late may still come before it.
        self._floor: int | None = None
        self._twins: deque[tuple[int, int]] = deque(maxlen=64)

    @property
    def last_id(self) -> int | None:
        """The highest id seen or stored, None when there is none."""
        expected = self.next_id if self._cause is None else self._awaited
        return None if expected is None else expected - 1

    def mark_boundary(self, cause: Cause) -> None:
        """The stream was interrupted: the next trade gets a verdict."""
        if self._cause is None:
            self._awaited, self.next_id, self._cause = self.next_id, -1, cause
            self._before = self._awaited - 1

    def irregular(self, trade: Trade, now: float) -> list[Trade]:
        """Judge a trade whose id is not `next_id`; `now` in seconds of any steady clock.

        Returns the trades to store: none for a duplicate or for a suspicious jump that awaits its confirmation, two
        when such a jump was just confirmed. A jump that was not confirmed is added to `rejected`.
        """
        suspect = self._suspect
        if suspect is None:
            return self._place(trade, now)
        if suspect[:6] == trade[:6]:
            return []
        self._suspect = None
        if suspect.aggregate_id < trade.aggregate_id <= suspect.aggregate_id + CONFIRMING_DISTANCE:
            return [*self._place(suspect, now, confirmed=True), *self._place(trade, now)]
        self.rejected.append(suspect)
        return self._place(trade, now)

    @property
    def awaits_verdict(self) -> bool:
        """Whether there was an interruption after the last trade, and none since."""
        return self._cause is not None and self._awaited is not None

    def learn(self, newest_id: int, now: float) -> None:
        """The exchange says how far it is, before a trade did: what lies between is a hole, which a trade that is just
        arriving may still fill."""
        if self._cause is not None and self._awaited is not None and newest_id >= self._awaited:
            self.holes.append(Hole(self._awaited, newest_id, self._cause, self.last_ms, None, since=now))
            self.tail.extend([-1] * min(newest_id - self._awaited + 1, TAIL))
            self._awaited = newest_id + 1

    def due_holes(self, now: float, grace: float) -> list[Hole]:
        """Holes that nobody filled for `grace` seconds, each once: they are to be reported as gaps.

        From then on they are recovery's, which fetches them again: a trade of theirs that comes still later is taken
        for a duplicate, since it would be stored twice.
        """
        due = [hole for hole in self.holes if now - hole.since >= grace]
        if due:
            self.holes = [hole for hole in self.holes if now - hole.since < grace]
        return due

    def _place(self, trade: Trade, now: float, *, confirmed: bool = False) -> list[Trade]:
        expected = self.next_id if self._cause is None else self._awaited
        jump = 0 if expected is None else trade.aggregate_id - expected
        if jump > SUSPICIOUS_JUMP and not confirmed:
            self._suspect = trade
            return []
        cause = self._cause or Cause.STREAM
        if self._cause is not None:
            self._end_boundary(trade, expected)
        if jump >= 0:
            return [self._advance(trade, jump, cause, now)]
        return self._from_the_past(trade, now)

    def _end_boundary(self, trade: Trade, expected: int | None) -> None:
        assert self._cause is not None
        before = self._before
        if expected is None or before is None:
            verdict = Verdict.FIRST
            self._floor = trade.aggregate_id
        elif trade.aggregate_id == before + 1:
            verdict = Verdict.CONTIGUOUS
        else:
            verdict = Verdict.GAP if trade.aggregate_id > before else Verdict.OVERLAP
        self.boundaries.append(Boundary(self._cause, before, trade.aggregate_id, verdict))
        self.next_id = trade.aggregate_id if expected is None else expected
        self._cause = None

    def _advance(self, trade: Trade, missing: int, cause: Cause, now: float) -> Trade:
        if missing:
            first = self.next_id
            self.holes.append(Hole(first, first + missing - 1, cause, self.last_ms, trade.timestamp, since=now))
            self.tail.extend([-1] * min(missing, TAIL))
        self.next_id = trade.aggregate_id + 1
        self.tail.append(trade.first_trade_id)
        self.last_ms = trade.timestamp
        return trade

    def _from_the_past(self, trade: Trade, now: float) -> list[Trade]:
        if self._floor is not None and self._floor - LATE_DISTANCE <= trade.aggregate_id < self._floor:
            return [self._lower_floor(trade, self._floor, now)]
        position = trade.aggregate_id - (self.next_id - len(self.tail))
        for index, hole in enumerate(self.holes):
            if hole.first_id <= trade.aggregate_id <= hole.last_id:
                self.holes[index : index + 1] = _without(hole, trade.aggregate_id)
                if position >= 0:
                    self.tail[position] = trade.first_trade_id
                return [trade]
        twin = (trade.aggregate_id, trade.first_trade_id)
        if position < 0 or self.tail[position] in (-1, trade.first_trade_id) or twin in self._twins:
            return []
        self._twins.append(twin)
        return [trade]

    def _lower_floor(self, trade: Trade, floor: int, now: float) -> Trade:
        if trade.aggregate_id + 1 < floor:
            self.holes.append(
                Hole(trade.aggregate_id + 1, floor - 1, Cause.STREAM, trade.timestamp, self.last_ms, since=now)
            )
        self._floor = trade.aggregate_id
        return trade


def _without(hole: Hole, aggregate_id: int) -> list[Hole]:
    parts = []
    if hole.first_id < aggregate_id:
        parts.append(replace(hole, last_id=aggregate_id - 1))
    if aggregate_id < hole.last_id:
        parts.append(replace(hole, first_id=aggregate_id + 1))
    return parts
