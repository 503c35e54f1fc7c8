"""Who collects what, as Postgres and Valkey have it."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone
from redis import Redis

from collectors.models import ShardLease
from dataprovider.clickhouse.shards import shard_of
from dataprovider.heartbeat import WorkerStatus, write_worker


def hold(*names: str, seconds: float = 60) -> None:
    """Somebody's lease on the shards of these symbols, for so long."""
    for shard in {shard_of(name) for name in names}:
        ShardLease.objects.update_or_create(
            shard=shard,
            defaults={
                "owner": "host:1:1-a",
                "worker": 0,
                "pid": 7,
                "epoch": 1,
                "expires_at": timezone.now() + timedelta(seconds=seconds),
            },
        )


def carry(redis: Redis, *names: str) -> None:
    """A worker that says it carries the shards of these symbols."""
    shards = sorted({shard_of(name) for name in names})
    said = {"symbols": len(names), "trades_per_s": 5.5, "lag_ms": 12.0, "storage_delay_ms": 640}
    write_worker(redis, WorkerStatus("host:1:1-a", 0, 7, shards, **said))  # type: ignore[arg-type]
