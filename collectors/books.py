"""What a supervisor has to say to Postgres and to ask of it, once a second, all in one place.

It runs in a thread of its own, so that a Postgres that hangs does not hang the supervisor; nothing is shared with that
thread but the two messages.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import close_old_connections, connection

from collectors.boundaries import forget_old_boundaries, lost_beginnings, record_boundaries
from collectors.gaps import count_open_gaps, open_gaps
from collectors.leases import Leases
from collectors.messages import BoundaryFound, GapFound

#: How often old boundaries are forgotten (seconds).
FORGET_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Request:
    """What happened since the last one."""

    #: Shard -> an epoch that is used already: its next one has to be higher.
    used_epochs: dict[int, int] = field(default_factory=dict)
    #: Shards that nobody here writes any more and that another host may have.
    release: list[int] = field(default_factory=list)
    gaps: list[GapFound] = field(default_factory=list)
    boundaries: list[BoundaryFound] = field(default_factory=list)
    #: Worker -> its process id and the shards it was told to own.
    placed: dict[int, tuple[int, list[int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """How things stand."""

    #: Shard -> epoch, for every shard this host owns.
    epochs: dict[int, int]
    #: How many shards are this host's fair part.
    share: int
    #: Shard -> the symbols to collect.
    symbols: dict[int, frozenset[str]]
    open_gaps: int
    #: Shards of this host that it is to release, because they move to another ClickHouse node.
    leaving: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Record:
    """Where gaps and boundaries are written down; what is left out is Postgres."""

    open_gaps: Callable[[list[GapFound]], object] = open_gaps
    count_open_gaps: Callable[[], int] = count_open_gaps
    lost_beginnings: Callable[[Sequence[BoundaryFound]], list[GapFound]] = lost_beginnings
    record_boundaries: Callable[[Sequence[BoundaryFound]], object] = record_boundaries
    forget_old_boundaries: Callable[[], object] = forget_old_boundaries
    refresh: Callable[[], None] = close_old_connections
    close: Callable[[], None] = lambda: connection.close()


class Books:
    """The supervisor's side of Postgres. Every method raises django.db.Error while Postgres is away."""

    def __init__(
        self,
        leases: Leases,
        wanted_symbols: Callable[[], dict[int, frozenset[str]]],
        clock: Callable[[], float] = time.monotonic,
        record: Record | None = None,
    ) -> None:
        self._leases = leases
        self._record = record or Record()
        self._wanted_symbols = wanted_symbols
        self._clock = clock
        self._next_forgetting = 0.0

    def update(self, request: Request) -> Answer:
        """Write down, renew, and read; the same request may be given again after a failure."""
        self._record.refresh()
        # Before any shard of this host has a new epoch: what was found under an old one is left to the new owner.
        self._record.open_gaps([*request.gaps, *self._record.lost_beginnings(request.boundaries)])
        self._leases.release(request.release)
        epochs = self._leases.renew()
        share = self._leases.share()
        epochs.update(self._leases.acquire(share - len(epochs)))
        too_low = {
            shard: used for shard, used in request.used_epochs.items() if shard in epochs and used >= epochs[shard]
        }
        epochs.update(self._leases.raise_epochs(too_low))
        for worker, (pid, shards) in request.placed.items():
            self._leases.placed(worker, pid, shards)
        leaving = self._leases.leaving()
        answer = Answer(epochs, share, self._wanted_symbols(), self._record.count_open_gaps(), leaving)
        if self._clock() >= self._next_forgetting:
            self._record.forget_old_boundaries()
            self._next_forgetting = self._clock() + FORGET_SECONDS
        # Last: after a failure they would come again, and what is written twice stands there twice.
        self._record.record_boundaries(request.boundaries)
        return answer

    def close(self, gaps: list[GapFound], boundaries: Sequence[BoundaryFound] = ()) -> None:
        """Write down the last gaps and boundaries and give every shard back."""
        self._record.open_gaps([*gaps, *self._record.lost_beginnings(boundaries)])
        self._leases.leave()
        self._record.record_boundaries(boundaries)
        self._record.close()
