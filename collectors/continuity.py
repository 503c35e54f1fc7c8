"""Which aggregate ids of one symbol have been seen, what to store, and what is missing. No clock, no I/O.

The exchange numbers a symbol's aggregated trades without holes, so a trade is judged by its id alone:
the next id is stored; a later one leaves a hole; an earlier one fills a hole, or was seen before, or is a different
trade under an id that was used twice (SOLUSDT 926014272, 2025-07-16), which is told by its first_trade_id. The first
trade of a contract has nothing to be judged by: it is held until it is borne out (collectors.beginning).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum

from collectors.beginning import LATE_DISTANCE, SUSPICIOUS_JUMP, Beginning, Held
from collectors.trade import Trade

#: How many of the newest trades are remembered to tell a duplicate from a different trade under the same id.
TAIL = 512
#: How far behind a suspicious trade its successor may be and still confirm it.
CONFIRMING_DISTANCE = 1_000
#: A trade so old (seconds) that the exchange does not have is absurd; a younger one its REST may not show yet.
SETTLED_SECONDS = 30.0


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
    #: Whether the id itself is in doubt: that of a first trade.
    unproved: bool = False


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
        "_below",
        "_cause",
        "_floor",
        "_suspect",
        "_twins",
        "beginning",
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
        #: Of a symbol of which nothing is stored: the trades that may be its first. None as soon as it has begun.
        self.beginning: Beginning | None = Beginning() if frontier is None else None
        #: The lowest id of a symbol that began here. What arrives late and comes before it is not stored but reported:
        #: another owner may have received a lower one once, and all between the two is recovery's then.
        self._floor: int | None = None
        self._below: list[Hole] = []
        self._twins: deque[tuple[int, int]] = deque(maxlen=64)

    @property
    def last_id(self) -> int | None:
        """The highest id seen or stored, None when there is none."""
        expected = self.next_id if self._cause is None else self._awaited
        return None if expected is None else expected - 1

    def mark_boundary(self, cause: Cause) -> None:
        """The stream was interrupted: the next trade gets a verdict."""
        if self.beginning is not None:
            self.beginning.interrupt(cause)
        elif self._cause is None:
            self._awaited, self.next_id, self._cause = self.next_id, -1, cause
            self._before = self._awaited - 1

    def irregular(self, trade: Trade, now: float) -> list[Trade]:
        """Judge a trade whose id is not `next_id`; `now` in seconds of any steady clock.

        Returns the trades to store: none for a duplicate or for one that awaits its confirmation (a suspicious jump,
        the first trade of a contract), several when such a one was just confirmed. What turned out to be absurd is
        added to `rejected`.
        """
        if self.beginning is not None:
            return self._begin(self.beginning, trade, now)
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

    def holds(self, trade: Trade) -> bool:
        """Whether this object, which was just judged, awaits its confirmation or its report."""
        held = self.beginning.held if self.beginning is not None else ()
        reported = any(hole.first_id == trade.aggregate_id for hole in self._below)
        return reported or self._suspect is trade or any(each.trade is trade for each in held)

    def learn_first(self, aggregate_id: int, now: float, *, real: bool) -> list[Trade]:
        """The exchange says whether it has a trade that is held as the first one; likewise the trades to store.

        It has not got an absurd one; a fresh one it may not show yet.
        """
        held = self.beginning.of(aggregate_id) if self.beginning is not None else None
        if self.beginning is None or held is None:
            return []
        if real:
            return self._begin_with(self.beginning, held, [], now)
        if now - held.since >= SETTLED_SECONDS:
            self.beginning.give_up(held)
            self.rejected.append(held.trade)
        return []

    def learn_start(self, first_id: int, newest_id: int, now: float) -> list[Trade]:
        """The exchange says with which id a symbol began, perhaps unseen, and how far it is; likewise the trades to
        store. What lies between that id and what was received here is a hole."""
        if self.beginning is None:
            if self._floor is not None and first_id < self._floor:
                self._below.append(Hole(first_id, self._floor - 1, Cause.RESTART, None, self.last_ms, now))
                self._floor = first_id
            return []
        beginning, self.beginning = self.beginning, None
        ids = [held.trade.aggregate_id for held in beginning.held]
        start = min((each for each in ids if 0 < first_id - each <= SUSPICIOUS_JUMP), default=first_id)
        self._awaited = start
        cause = self._cause or Cause.RESTART
        stored = []
        for held in beginning.held:
            if not 0 <= held.trade.aggregate_id - start <= SUSPICIOUS_JUMP:
                self.rejected.append(held.trade)
                continue
            placed = self._place(held.trade, now)
            stored += [] if held.reported else placed
            if held.interrupted is not None:
                self.mark_boundary(held.interrupted)
        if newest_id >= self.next_id:
            self.mark_boundary(cause)
        self.learn(newest_id, now)
        return stored

    def unproved(self, now: float, patience: float) -> list[Hole]:
        """What came late and before the first trade, and first trades that nothing bore out for `patience` seconds.

        Each once, as holes to be reported as gaps.

        From then on they are recovery's, which asks the exchange for them; the sequence may still begin with one.
        """
        below, self._below = self._below, []
        due = self.beginning.due(now, patience) if self.beginning is not None else ()
        return [*below, *(self._doubtful(each) for each in due)]

    @property
    def held_back(self) -> list[Hole]:
        """What no stored id would show and was not reported either: first trades that nothing bore out, as the holes
        they would be, and what came late and before the first."""
        held = self.beginning.held if self.beginning is not None else ()
        return [*self._below, *(self._doubtful(each) for each in held if not each.reported)]

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

    def _doubtful(self, held: Held) -> Hole:
        assert self._cause is not None
        # Its time is as doubtful as its id.
        aggregate_id = held.trade.aggregate_id
        return Hole(aggregate_id, aggregate_id, self._cause, None, None, held.since, unproved=True)

    def _begin(self, beginning: Beginning, trade: Trade, now: float) -> list[Trade]:
        if trade in beginning:
            return []
        first = beginning.borne_out_by(trade)
        if first is not None and trade.aggregate_id < first.trade.aggregate_id:
            return self._begin_with(beginning, beginning.put_before(first, trade, now), [], now)
        if first is not None:
            return self._begin_with(beginning, first, [trade], now)
        given_up = beginning.hold(trade, now)
        if given_up is not None:
            self.rejected.append(given_up.trade)
        return []

    def _begin_with(self, beginning: Beginning, first: Held, further: list[Trade], now: float) -> list[Trade]:
        """The sequence begins; what else is held is part of it, or absurd."""
        self.beginning = None
        stored = self._place(first.trade, now, confirmed=True)
        if first.reported:
            stored = []
        position = beginning.held.index(first)
        for each in beginning.held[:position]:
            stored += self._after_first(each, first, now)
        for each in beginning.held[position:]:
            if each is not first:
                stored += self._after_first(each, first, now)
            if each.interrupted is not None:
                self.mark_boundary(each.interrupted)
        for trade in further:
            stored += self._place(trade, now)
        return stored

    def _after_first(self, held: Held, first: Held, now: float) -> list[Trade]:
        if not first.leads_to(held.trade):
            self.rejected.append(held.trade)
            return []
        stored = self._place(held.trade, now)
        return [] if held.reported else stored

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
            first, self._floor = self._floor, trade.aggregate_id
            self._below.append(Hole(trade.aggregate_id, first - 1, Cause.STREAM, trade.timestamp, self.last_ms, now))
            return []
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


def _without(hole: Hole, aggregate_id: int) -> list[Hole]:
    parts = []
    if hole.first_id < aggregate_id:
        parts.append(replace(hole, last_id=aggregate_id - 1))
    if aggregate_id < hole.last_id:
        parts.append(replace(hole, first_id=aggregate_id + 1))
    return parts
