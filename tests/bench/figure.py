"""One figure: what was measured, several times, and beside what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """Several measurements of one thing."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The smallest and the largest."""
        return min(self.values), max(self.values)


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured in one run.

    ours, original: the product, and the original's way with the same work on the same engine, in turn; None where the
    original has no way. `at_least`, `at_most`: what is to be reached, one of them or none. `peer` and `peer_name`: what
    another known way takes. `keys`: what --json says of it. `note`: the work, in a few words.
    """

    name: str
    what: str
    unit: str
    ours: Sample
    original: Sample | None = None
    original_name: str = ""
    at_least: float | None = None
    at_most: float | None = None
    peer: Sample | None = None
    peer_name: str = ""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the original's way."""
        if self.original is None or not self.original.median or not self.ours.median:
            return None
        more_is_better = self.unit.endswith("/s")
        ratio = self.ours.median / self.original.median
        return ratio if more_is_better else 1 / ratio

    @property
    def is_reached(self) -> bool | None:
        """Whether the goal is reached; None: there is none."""
        if self.at_least is not None:
            return self.ours.median >= self.at_least
        if self.at_most is not None:
            return self.ours.median <= self.at_most
        return None
