"""Figures of the machine, of this process, and of the services behind it. Functions here block."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import psutil
from django.db import connection
from redis import Redis

from collectors.models import UNFINISHED, Gap, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.heartbeat import WorkerStatus
from integrity.models import JobStatus, RecoveryJob

_CPU_SECONDS = 0.1


def machine(home: Path) -> dict[str, Any]:
    """The shape `Machine`; takes a tenth of a second. `home`: DATAPROVIDER_HOME, which may not exist yet."""
    folder = home.resolve()
    while not folder.exists():
        folder = folder.parent
    memory, disk = psutil.virtual_memory(), psutil.disk_usage(str(folder))
    return {
        "cpu_count": psutil.cpu_count() or 1,
        "cpu_percent": psutil.cpu_percent(_CPU_SECONDS),
        "load_1m": round(os.getloadavg()[0], 2),
        "memory_total": memory.total,
        "memory_available": memory.available,
        "memory_percent": memory.percent,
        "disk_total": disk.total,
        "disk_free": disk.free,
        "disk_free_percent": round(100 * disk.free / disk.total, 1),
    }


def process(started: float) -> dict[str, Any]:
    """The shape `Process`. `started`: this process's start on time.monotonic()."""
    this = psutil.Process()
    with this.oneshot():
        return {
            "pid": this.pid,
            "uptime_seconds": int(time.monotonic() - started),
            "memory": this.memory_info().rss,
            "threads": this.num_threads(),
            "open_files": this.num_fds(),
        }


def clickhouse(store: ClickHouse) -> dict[str, Any]:
    """The shape `StoreStats`. Raises ClickHouseError."""
    nodes = [node for (node,) in store.query_each("store_size")]
    parts, rows, on_disk, uncompressed = (sum(column) for column in list(zip(*nodes, strict=True))[1:])
    return {
        # Of the first, like a version of a farm that is being brought up to date.
        "version": nodes[0][0],
        "rows": rows,
        "parts": parts,
        "bytes_on_disk": on_disk,
        "uncompressed_bytes": uncompressed,
    }


def postgres() -> dict[str, Any]:
    """The shape `PostgresStats`. Raises django.db.Error."""
    jobs = RecoveryJob.objects.filter
    return {
        "version": postgres_version(),
        "symbols": Symbol.objects.values("name").distinct().count(),
        "open_gaps": Gap.objects.filter(status__in=UNFINISHED).count(),
        "waiting_jobs": jobs(status=JobStatus.PENDING).count(),
        "running_jobs": jobs(status=JobStatus.RUNNING).count(),
    }


def postgres_version() -> str:
    """Such as 18.6. Raises django.db.Error."""
    connection.ensure_connection()
    return ".".join(map(str, connection.get_database_version()))


def redis(client: Redis) -> dict[str, Any]:
    """The shape `RedisStats`. Raises redis.exceptions.RedisError."""
    info: dict[str, Any] = client.info()
    return {
        "version": redis_version(info),
        "used_memory": int(info["used_memory"]),
        "clients": int(info["connected_clients"]),
    }


def redis_version(info: dict[str, Any]) -> str:
    """Out of INFO: Valkey's own version, or Redis'."""
    return str(info.get("valkey_version") or info.get("redis_version") or "")


def worker(status: WorkerStatus) -> dict[str, Any]:
    """The shape `WorkerStats`."""
    names = (
        "owner",
        "pid",
        "shards",
        "symbols",
        "subscribed",
        "connections",
        "trades_per_s",
        "lag_ms",
        "storage_delay_ms",
        "received",
        "stored",
        "duplicates",
        "gaps",
        "dead_letters",
        "reconnects",
        "buffered_rows",
        "spooled_batches",
    )
    return {
        "number": status.worker,
        "said_at": status.updated_ms,
        **{name: getattr(status, name) for name in names},
    }
