"""Which worker carries which shard under which epoch, and what Postgres is to hear next. No clock, no I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from collectors.books import Answer, Request
from collectors.messages import Assignment, BoundaryFound, GapFound, Report, ShardAssignment

#: While Postgres is away only the newest boundaries are kept; when it is back it gets so many at once.
MOST_BOUNDARIES, BOUNDARIES_AT_ONCE = 50_000, 2_000


class Carrier(Protocol):
    """A worker as its supervisor sees it (`collectors.workerprocess.WorkerProcess`)."""

    number: int
    held: dict[int, int]
    low_epochs: dict[int, int]
    told: Assignment | None

    @property
    def alive(self) -> bool: ...

    @property
    def pid(self) -> int | None: ...


C = TypeVar("C", bound=Carrier)


class Placing(Generic[C]):
    """What one supervisor knows of its shards, from Postgres' last answer and its workers' reports."""

    def __init__(self, workers: Sequence[C]) -> None:
        self._workers = workers
        self.answer = Answer({}, 0, {}, 0)
        self._placed: dict[int, int] = {}
        self._releasing: set[int] = set()
        #: Worker -> what is missing should it die (Report.held_back).
        self._held_back: dict[int, list[GapFound]] = {}
        self.gaps: list[GapFound] = []
        self.boundaries: deque[BoundaryFound] = deque(maxlen=MOST_BOUNDARIES)

    def heard(self, worker: C, report: Report) -> None:
        """Take in what a worker says."""
        worker.held = report.held
        worker.low_epochs.update(report.low_epochs)
        self.gaps.extend(report.gaps)
        self.boundaries.extend(report.boundaries)
        self._held_back[worker.number] = report.held_back

    def died(self, worker: C) -> None:
        """What it held is missing. Inserts of it may still be under way: only a higher epoch shuts them out."""
        self.gaps.extend(self._held_back.pop(worker.number, ()))
        worker.low_epochs.update(
            {
                shard: self.answer.epochs.get(shard, 0)
                for shard, number in self._placed.items()
                if number == worker.number
            }
        )

    def request(self) -> Request:
        """What Postgres is to hear next: to be followed by `take`, or by `take_back` when it did not answer."""
        used = {shard: epoch for worker in self._workers for shard, epoch in worker.low_epochs.items()}
        boundaries = [self.boundaries.popleft() for _ in range(min(len(self.boundaries), BOUNDARIES_AT_ONCE))]
        request = Request(used, self._let_go(), self.gaps, boundaries, self._placement())
        self.gaps = []
        return request

    def take(self, request: Request, answer: Answer) -> None:
        """Postgres wrote the request down and answered."""
        self.answer = answer
        self._releasing.difference_update(request.release)
        for shard in [shard for shard in self._placed if shard not in answer.epochs]:
            del self._placed[shard]
        self._releasing.update(answer.leaving & answer.epochs.keys())
        kept = answer.epochs.keys() - self._releasing
        if len(kept) > answer.share:
            self._releasing.update(sorted(kept)[answer.share :])

    def take_back(self, request: Request) -> None:
        """What a request was to write down comes with the next one."""
        self.gaps = [*request.gaps, *self.gaps]
        # Of too many the newest are kept.
        self.boundaries = deque([*request.boundaries, *self.boundaries], maxlen=MOST_BOUNDARIES)

    def orders(self) -> list[tuple[C, Assignment]]:
        """What every worker that lives is to own from now on, where it was told otherwise before."""
        epochs, symbols = self.answer.epochs, self.answer.symbols
        for shard in sorted(epochs.keys() - self._placed.keys()):
            loads = {worker.number: 0 for worker in self._workers}
            for number in self._placed.values():
                loads[number] += 1
            self._placed[shard] = min(loads, key=lambda number: (loads[number], number))
        orders = []
        for worker in self._workers:
            order = Assignment(
                {
                    shard: ShardAssignment(epochs[shard], symbols.get(shard, frozenset()))
                    for shard, number in self._placed.items()
                    if number == worker.number
                    and shard not in self._releasing
                    # An epoch that was used is raised first, once Postgres answers.
                    and worker.low_epochs.get(shard, -1) < epochs[shard]
                }
            )
            if worker.alive and order != worker.told:
                orders.append((worker, order))
        return orders

    def _let_go(self) -> list[int]:
        """The shards to be released that no worker holds or was told to own."""
        busy = {shard for worker in self._workers for shard in worker.held}
        busy.update(shard for worker in self._workers if worker.told is not None for shard in worker.told.shards)
        return sorted(self._releasing - busy)

    def _placement(self) -> dict[int, tuple[int, list[int]]]:
        return {
            worker.number: (worker.pid, sorted(worker.told.shards))
            for worker in self._workers
            if worker.alive and worker.pid is not None and worker.told is not None
        }
