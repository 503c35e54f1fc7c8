"""Waiting longer after each failure, with jitter, so that many who fail together do not return together."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Waiting:
    """How to wait (seconds of a steady clock), and by which chance: for code that blocks while it waits."""

    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    source: random.Random = field(default_factory=random.Random)


@dataclass
class Backoff:
    """Delays in seconds that double from `first` to `most`; each is drawn from its upper half.

    `reset()` only when something was achieved (data arrived, a batch was stored), not when a connect succeeded:
    otherwise an endpoint that accepts and stays silent is called without end.
    """

    first: float = 0.5
    most: float = 60.0
    source: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def next_delay(self) -> float:
        """Count one more failure; the seconds to wait before the next attempt."""
        ceiling: float = min(self.most, self.first * 2 ** min(self.failures, 30))
        self.failures += 1
        return ceiling * (0.5 + self.source.random() / 2)

    def reset(self) -> None:
        """Begin again from `first`."""
        self.failures = 0
