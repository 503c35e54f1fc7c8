"""What each worker says of itself once a second, kept in Valkey for a few seconds: gone means lost."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields

import orjson
from redis import Redis

HEARTBEAT_SECONDS = 1.0
#: A worker that has said nothing for this long (seconds) is no longer listed.
HEARTBEAT_TTL = 10

_PREFIX = "dataprovider:worker:"


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
    reconnects: int = 0
    quiet_symbols: int = 0
    boundaries: dict[str, int] = field(default_factory=dict)
    updated_ms: int = 0


def write_worker(redis: Redis, status: WorkerStatus) -> None:
    """Say that this worker lives; raises redis.exceptions.RedisError."""
    redis.set(f"{_PREFIX}{status.owner}:{status.worker}", orjson.dumps(asdict(status)), ex=HEARTBEAT_TTL)


def read_workers(redis: Redis) -> list[WorkerStatus]:
    """Every worker whose heartbeat is fresh, by owner and number; raises redis.exceptions.RedisError."""
    keys = sorted(redis.scan_iter(match=f"{_PREFIX}*", count=1000))
    known = {item.name for item in fields(WorkerStatus)}
    workers = []
    for value in redis.mget(keys) if keys else []:
        if value is not None:
            workers.append(WorkerStatus(**{k: v for k, v in orjson.loads(value).items() if k in known}))
    return sorted(workers, key=lambda status: (status.owner, status.worker))
