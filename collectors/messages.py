"""What the supervisor and its workers say to each other over their pipe."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from collectors.continuity import Hole
from dataprovider.clickhouse import Address
from dataprovider.logs import LogSettings

#: In the evidence of a gap: its id is that of a contract's first trade, which nothing bore out (collectors.beginning).
UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker process is born with."""

    owner: str
    worker: int
    store: tuple[Address, ...]
    redis_url: str
    rest_url: str
    stream_url: str
    home: Path
    buffer_max_rows: int
    spool_max_bytes: int
    symbols_per_connection: int
    #: This worker may attempt `connect_burst` connections at once, then one every `connect_interval` seconds, so that
    #: all workers together stay below the exchange's limit.
    connect_interval: float
    connect_burst: int
    #: Which budget of REST weight it draws on.
    egress: str
    logs: LogSettings = field(default_factory=LogSettings)


@dataclass(frozen=True, slots=True)
class ShardAssignment:
    """A shard to own, under an epoch, with the symbols to collect of it."""

    epoch: int
    symbols: frozenset[str]


@dataclass(frozen=True, slots=True)
class Assignment:
    """Supervisor to worker: everything it is to own, in place of what it was told before."""

    shards: dict[int, ShardAssignment]


@dataclass(frozen=True, slots=True)
class Stop:
    """Supervisor to worker: drain and end."""


@dataclass(frozen=True, slots=True)
class GapFound:
    """Aggregate ids first_id..last_id (both included) of a symbol are missing; times in ms (UTC).

    `epoch`: under which its shard was collected when that was found; None: whoever found it does not collect.
    """

    symbol: str
    first_id: int
    last_id: int
    cause: str
    before_ms: int | None = None
    after_ms: int | None = None
    evidence: dict[str, Any] = field(default_factory=dict)
    epoch: int | None = None

    @classmethod
    def of(cls, symbol: str, hole: Hole, epoch: int) -> GapFound:
        """A hole in the ids of a symbol, as it is reported."""
        evidence = {UNPROVED: True} if hole.unproved else {}
        return cls(
            symbol, hole.first_id, hole.last_id, hole.cause.value, hole.before_ms, hole.after_ms, evidence, epoch
        )


@dataclass(frozen=True, slots=True)
class BoundaryFound:
    """The verdict over one connect, reconnect or start of a symbol (collectors.continuity.Boundary), and when (ms).

    `epoch`: under which its shard was collected.
    """

    symbol: str
    cause: str
    last_before: int | None
    first_after: int
    verdict: str
    at_ms: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Report:
    """Worker to supervisor, twice a second."""

    #: Shard -> epoch, for every shard it may still write.
    held: dict[int, int]
    #: Shard -> the epoch ClickHouse is at, where the one assigned was not higher.
    low_epochs: dict[int, int]
    gaps: list[GapFound]
    boundaries: list[BoundaryFound] = field(default_factory=list)
    #: What is in its memory alone and no id in the table would show: missing, should it die.
    held_back: list[GapFound] = field(default_factory=list)
