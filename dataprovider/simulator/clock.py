"""The exchange's clock: the wall's, moved forward at will, or one of its own for replayed archives."""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Sequence

from dataprovider.simulator.clock_offset import OffsetFile


def wall_ms() -> int:
    """Milliseconds since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000


class MovableClock:
    """`wall` (milliseconds) plus an offset that only grows; `memory` keeps it over a restart, None forgets it."""

    def __init__(self, wall: Callable[[], int], memory: OffsetFile | None = None) -> None:
        self._wall = wall
        self._memory = memory
        self._offset_ms = memory.load() if memory else 0

    def __call__(self) -> int:
        return self._wall() + self._offset_ms

    @property
    def offset_ms(self) -> int:
        return self._offset_ms

    def advance(self, ms: int) -> None:
        """Move forward at once. Raises SimulatorError, without having moved, when that cannot be remembered."""
        moved = self._offset_ms + ms
        if self._memory is not None:
            self._memory.save(moved)
        self._offset_ms = moved


class ReplayClock:
    """Runs `speed` times as fast as `monotonic` (seconds) through `stretches` and jumps over the time between them.

    `stretches` are (first, last) milliseconds, ascending and apart. After the last one the clock just runs on.
    It stands still until `start` and after `stop`.
    """

    def __init__(
        self, stretches: Sequence[tuple[int, int]], speed: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._starts = [first for first, _ in stretches]
        self._speed = speed
        self._monotonic = monotonic
        self._run_through: list[int] = []
        total = 0
        for first, last in stretches:
            self._run_through.append(total)
            total += last - first
        self._passed_ms = 0.0
        self._since: float | None = None

    @property
    def running(self) -> bool:
        return self._since is not None

    def now_ms(self) -> int:
        passed = int(self._passed())
        stretch = bisect.bisect_right(self._run_through, passed) - 1
        return self._starts[stretch] + passed - self._run_through[stretch]

    def start(self) -> None:
        if self._since is None:
            self._since = self._monotonic()

    def stop(self) -> None:
        self._passed_ms = self._passed()
        self._since = None

    def _passed(self) -> float:
        if self._since is None:
            return self._passed_ms
        return self._passed_ms + (self._monotonic() - self._since) * 1000.0 * self._speed
