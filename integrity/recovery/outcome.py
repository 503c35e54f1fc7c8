"""How a run of a recovery job ended."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing is left to do; `text` says what was done."""

    text: str


@dataclass(frozen=True, slots=True)
class Later:
    """Something outside is not there yet: go on in so many seconds."""

    reason: str
    seconds: float


Outcome = Done | Later

#: A worker that may take nothing else would take it again at once, and keep asking instead of leaving the room.
MAKES_ROOM = Later("Makes room for more urgent work.", 3.0)


class JobProblem(Exception):
    """The job cannot be done as things are; `str()` says why. It is tried again a few times, then set aside."""
