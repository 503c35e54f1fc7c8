"""The simulated world: one virtual clock, one source of chance, and processes that can be killed and paused.

Production code that blocks runs as it is: each of its threads is a greenlet, and where it would wait (for a service, or
for time) it gives the turn to the next event. So one seed is one exact run.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable

from greenlet import GreenletExit, getcurrent, greenlet

#: The exchange's clock at the beginning (ms): an hour before noon, UTC.
EPOCH_MS = 1_700_046_000_000


class Process:
    """What is killed or paused as one: none of its events happens after its death, all of them after its pause."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.paused = False
        #: The services that it cannot reach.
        self.cut_off: set[str] = set()
        self.held_back: list[Callable[[], object]] = []


class Waker:
    """Something that greenlets wait for."""

    def __init__(self) -> None:
        self.done = False


class World:
    """The order of events. Times in seconds since the beginning."""

    def __init__(self, seed: int, *, traced: bool = False) -> None:
        self.seed = seed
        self.now = 0.0
        self.chance = random.Random(seed)
        self.calm = False
        self.violations: list[str] = []
        self.faults: dict[str, int] = {}
        self.trace: list[tuple[object, ...]] = []
        self._traced = traced
        self._events: list[tuple[float, int, Process | None, Callable[[], object]]] = []
        self._count = 0
        self._over = False
        self._hub = getcurrent()
        self._tasks: list[greenlet] = []

    def clock(self) -> float:
        """The steady clock of every process."""
        return self.now

    def note(self, *words: object) -> None:
        """A line of the trace."""
        if self._traced:
            self.trace.append((self.now, *words))

    def fault(self, kind: str, *words: object) -> None:
        """Count a fault that is made to happen."""
        self.faults[kind] = self.faults.get(kind, 0) + 1
        if self._traced:
            self.trace.append((self.now, "FAULT", kind, *words))

    def violate(self, promise: str, text: str) -> None:
        """A promise is broken."""
        self.violations.append(f"{promise} at {self.now:.3f} s: {text}")
        self.note("BROKEN", promise, text)

    def happens(self, probability: float) -> bool:
        """Whether a fault of this probability happens now; never once the faults have stopped."""
        return probability > 0 and not self.calm and self.chance.random() < probability

    def between(self, least: float, most: float) -> float:
        """A number by chance."""
        return least + (most - least) * self.chance.random()

    def later(self, seconds: float, action: Callable[[], object], process: Process | None = None) -> None:
        """Have `action` happen; not if `process` is dead by then, and after its pause if it is paused."""
        self._count += 1
        heapq.heappush(self._events, (self.now + seconds, self._count, process, action))

    def spawn(self, work: Callable[[], object], process: Process | None) -> None:
        """Run `work`, which may `sleep`, as a thread of `process`."""
        task = greenlet(work, self._hub)
        task.process = process
        self._tasks.append(task)
        self.later(0.0, task.switch, process)

    def sleep(self, seconds: float) -> None:
        """Let others go on; for code that runs in a spawned task."""
        if self._over:
            raise GreenletExit
        task = getcurrent()
        self.later(seconds, task.switch, task.process)
        self._hub.switch()
        if self._over:
            raise GreenletExit

    def reaches(self, service: str) -> bool:
        """Whether the process of the task that runs now can reach it."""
        process: Process | None = getattr(getcurrent(), "process", None)
        return process is None or service not in process.cut_off

    def kill(self, process: Process) -> None:
        """kill -9."""
        process.alive = False
        process.held_back.clear()

    def pause(self, process: Process, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        process.paused = True

        def go_on() -> None:
            process.paused = False
            for action in process.held_back:
                self.later(0.0, action, process)
            process.held_back.clear()

        self.later(seconds, go_on)

    def run(self, seconds: float, until: Callable[[], bool] | None = None, step: float = 1.0) -> bool:
        """Let so much time pass; ends when a promise is broken, or when `until`, asked every `step` seconds, holds."""
        end = self.now + seconds
        asked = self.now + step
        events = self._events
        while events and events[0][0] <= end and not self.violations:
            when, _, process, action = heapq.heappop(events)
            if until is not None and when >= asked:
                self.now, asked = asked, asked + step
                if until():
                    heapq.heappush(events, (when, 0, process, action))
                    return True
            self.now = when
            if process is not None:
                if not process.alive:
                    continue
                if process.paused:
                    process.held_back.append(action)
                    continue
            action()
        self.now = max(self.now, end) if not self.violations else self.now
        return until is not None and until()

    def close(self) -> None:
        """End every task that still waits."""
        self._over = True
        for task in self._tasks:
            if task and not task.dead:
                task.throw(GreenletExit)
