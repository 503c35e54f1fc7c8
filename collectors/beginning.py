"""With which trade a contract begins of which nothing is stored. No clock, no I/O.

Before the first trade there is no id to compare its own with: were an absurdly high one believed, every real trade
below it would be taken for one of the past. So it is held until another trade bears it out, or the exchange does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from collectors.trade import Trade

if TYPE_CHECKING:
    from collectors.continuity import Cause

#: A jump of more ids than this is believed only when the next trade continues it (a number may be absurd).
SUSPICIOUS_JUMP = 100_000
#: How far before a symbol's very first trade here one may still come late and be kept.
LATE_DISTANCE = 100
#: Of trades that do not fit together so many are held at most.
MOST_HELD = 8


@dataclass(slots=True)
class Held:
    """A trade that may be the first one; `since`: when it was received (seconds of any steady clock)."""

    trade: Trade
    since: float
    #: Whether it was reported as missing: then it is recovery's, which asks the exchange for it.
    reported: bool = False
    #: What interrupted the stream after it, and before the next one.
    interrupted: Cause | None = None

    def leads_to(self, trade: Trade) -> bool:
        """Whether that one may follow, or come a little late before it."""
        return -LATE_DISTANCE <= trade.aggregate_id - self.trade.aggregate_id <= SUSPICIOUS_JUMP


class Beginning:
    """The trades of one symbol that may be its first, in the order of their arrival."""

    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: list[Held] = []

    def __contains__(self, trade: Trade) -> bool:
        """Whether this very trade is held, whenever it was sent."""
        return any(each.trade[:6] == trade[:6] for each in self.held)

    def hold(self, trade: Trade, now: float) -> Held | None:
        """Keep one more; the one that is given up for it, when there are too many."""
        self.held.append(Held(trade, now))
        return self.held.pop(0) if len(self.held) > MOST_HELD else None

    def put_before(self, held: Held, trade: Trade, now: float) -> Held:
        """Keep one that came later and belongs before that one."""
        put = Held(trade, now)
        self.held.insert(self.held.index(held), put)
        return put

    def borne_out_by(self, trade: Trade) -> Held | None:
        """The lowest of those held that this one shows to be real."""
        fitting = [each for each in self.held if each.leads_to(trade)]
        return min(fitting, key=lambda each: each.trade.aggregate_id, default=None)

    def of(self, aggregate_id: int) -> Held | None:
        """The one that is held under an id."""
        return next((each for each in self.held if each.trade.aggregate_id == aggregate_id), None)

    def give_up(self, held: Held) -> None:
        """Keep it no longer; the interruption after it came after the one before it, too."""
        position = self.held.index(held)
        del self.held[position]
        if position:
            before = self.held[position - 1]
            before.interrupted = before.interrupted or held.interrupted

    def interrupt(self, cause: Cause) -> None:
        """The stream broke."""
        if self.held:
            self.held[-1].interrupted = self.held[-1].interrupted or cause

    def asked_for(self, since: float) -> int | None:
        """The lowest id that was received at `since` or before: the exchange is to say whether it has it."""
        return min((each.trade.aggregate_id for each in self.held if each.since <= since), default=None)

    def due(self, now: float, patience: float) -> list[Held]:
        """What was held for `patience` seconds, each once: it is to be reported as missing."""
        due = [each for each in self.held if not each.reported and now - each.since >= patience]
        for each in due:
            each.reported = True
        return due
