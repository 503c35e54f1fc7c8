"""What each worker says of itself once a second, kept in Valkey for a few seconds: gone means lost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson
from redis import Redis

HEARTBEAT_SECONDS = 1.0
#: A worker that has said nothing for this long (seconds) is no longer listed.
HEARTBEAT_TTL = 10

_PREFIX = "dataprovider:worker:"
_HOST_PREFIX = "dataprovider:host:"


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One worker: who it is, what it carries, and its counts since it started. Times in ms."""

    owner: str
    worker: int
    pid: int
    shards: list[int]
    symbols: int = 0
    subscribed: int = 0
    connections: int = 0
    received: int = 0
    stored: int = 0
    duplicates: int = 0
    dead_letters: int = 0
    gaps: int = 0
    buffered_rows: int = 0
    spooled_batches: int = 0
    trades_per_s: float = 0.0
    #: From the exchange's event time to its handling here, the newest of each read, smoothed (ms).
    lag_ms: float = 0.0
    #: Since the oldest trade was received that ClickHouse does not have yet (in memory or on disk); 0: it has all.
    storage_delay_ms: int = 0
    reconnects: int = 0
    quiet_symbols: int = 0
    boundaries: dict[str, int] = field(default_factory=dict)
    updated_ms: int = 0


def write_worker(redis: Redis, status: WorkerStatus) -> None:
    """Say that this worker lives; raises redis.exceptions.RedisError."""
    redis.set(f"{_PREFIX}{status.owner}:{status.worker}", orjson.dumps(asdict(status)), ex=HEARTBEAT_TTL)


def read_workers(redis: Redis) -> list[WorkerStatus]:
    """Every worker whose heartbeat is fresh, by owner and number; raises redis.exceptions.RedisError."""
    workers = [WorkerStatus(**value) for value in _read(redis, _PREFIX, WorkerStatus)]
    return sorted(workers, key=lambda status: (status.owner, status.worker))


@dataclass(frozen=True, slots=True)
class HostStatus:
    """One supervisor: what it holds, and how many gaps Postgres lists as not closed (over all hosts)."""

    owner: str
    pid: int
    workers: int
    shards: int
    symbols: int
    open_gaps: int
    postgres_away: bool
    updated_ms: int
    #: Whether the exchange's list of contracts was read since it started: `symbols` is not last time's.
    synced: bool = False
    #: What keeps it from collecting everything, as a sentence; empty when nothing does.
    problem: str = ""
    #: How many workers have ended unasked since it started.
    deaths: int = 0


def write_host(redis: Redis, status: HostStatus) -> None:
    """Say that this supervisor lives; raises redis.exceptions.RedisError."""
    redis.set(f"{_HOST_PREFIX}{status.owner}", orjson.dumps(asdict(status)), ex=HEARTBEAT_TTL)


def read_hosts(redis: Redis) -> list[HostStatus]:
    """Every supervisor whose heartbeat is fresh; raises redis.exceptions.RedisError."""
    return [HostStatus(**value) for value in _read(redis, _HOST_PREFIX, HostStatus)]


def forget(redis: Redis, owner: str, workers: int) -> None:
    """Take back what a supervisor and its workers said, when it stops; raises redis.exceptions.RedisError."""
    redis.delete(f"{_HOST_PREFIX}{owner}", *(f"{_PREFIX}{owner}:{worker}" for worker in range(workers)))


def _read(redis: Redis, prefix: str, kind: type[WorkerStatus] | type[HostStatus]) -> list[dict[str, Any]]:
    keys = sorted(redis.scan_iter(match=f"{prefix}*", count=1000))
    known = {item.name for item in fields(kind)}
    values = [orjson.loads(value) for value in (redis.mget(keys) if keys else []) if value is not None]
    # Another release may run beside this one during an upgrade: what it says more is left out.
    return [{name: item for name, item in value.items() if name in known} for value in values]
