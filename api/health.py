"""Whether everything works, answered in time even when nothing does."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from django.db import connection
from redis import Redis

from dataprovider.clickhouse import Address, ClickHouse
from dataprovider.clickhouse.shards import SHARD_COUNT
from dataprovider.config import Config
from dataprovider.heartbeat import WorkerStatus, read_workers

T = TypeVar("T")

#: A service that has not answered after so many seconds counts as away.
PATIENCE_SECONDS = 1.5
#: Below this the status is degraded: spool, logs and databases are about to stop.
LOW_DISK_PERCENT = 5.0

Status = Literal["healthy", "degraded", "unhealthy"]


class HealthCheck:
    """Asks ClickHouse, Postgres and Valkey side by side, on connections and threads of its own.

    `started` is the process's start on time.monotonic(), `connections` its open WebSocket connections.
    """

    def __init__(self, config: Config, *, started: float, connections: Sized) -> None:
        self._started = started
        self._connections = connections
        self._folder = config.dataprovider_home
        self._under_way: dict[str, asyncio.Future[Any]] = {}
        self._clickhouse = ClickHouse(
            Address.of_nodes(config), pool_size=2, connect_timeout=PATIENCE_SECONDS, timeout=PATIENCE_SECONDS
        )
        # One for each question: whoever asks while it is being asked waits for the same answer.
        self._threads = ThreadPoolExecutor(3 + len(self._clickhouse.nodes), thread_name_prefix="health")
        self._redis = Redis.from_url(
            config.redis_url or "redis://127.0.0.1:1/0",
            socket_connect_timeout=PATIENCE_SECONDS,
            socket_timeout=PATIENCE_SECONDS,
        )

    async def report(self) -> dict[str, Any]:
        """The fields of `shapes.Health`. Never raises; takes about PATIENCE_SECONDS at most."""
        rows, postgres, workers = await asyncio.gather(
            self._rows(),
            self._asked("postgres", _postgres_answers),
            self._asked("workers", lambda: read_workers(self._redis)),
        )
        known = [each for each in rows if each is not None]
        disk_free = self._disk_free_percent()
        collectors = _collectors(workers)
        return {
            "status": overall(
                nodes=[each is not None for each in rows],
                postgres=bool(postgres),
                redis=workers is not None,
                workers=sum(1 for each in workers or () if each.symbols),
                shards=collectors["shards"],
                disk_free_percent=disk_free,
            ),
            "uptime_seconds": int(time.monotonic() - self._started),
            "active_tickers": collectors["symbols"],
            "trades_processed_total": sum(known) if len(known) == len(rows) else None,
            "clickhouse_status": _of_nodes(rows)["status"],
            "websocket_connections": len(self._connections),
            "disk_free_percent": disk_free,
            "components": {
                "clickhouse": _of_nodes(rows),
                "postgres": {"status": _word(bool(postgres))},
                "redis": {"status": _word(workers is not None)},
                "collectors": collectors,
            },
        }

    async def away(self) -> list[str]:
        """Which of the three services do not answer (or, ClickHouse, has no table). Takes PATIENCE_SECONDS at most.

        Of several ClickHouse nodes one that answers is enough: it has what can be served.
        """
        rows, *answers = await asyncio.gather(
            self._rows(),
            self._asked("postgres", _postgres_answers),
            self._asked("redis", lambda: bool(self._redis.ping())),
        )
        names = ("clickhouse", "postgres", "redis")
        answered = (any(each is not None for each in rows), *answers)
        return [name for name, answer in zip(names, answered, strict=True) if not answer]

    async def _rows(self) -> list[int | None]:
        """How many trades each ClickHouse node has."""
        nodes = range(len(self._clickhouse.nodes))
        return await asyncio.gather(
            *(self._asked(f"clickhouse {number}", partial(self._rows_of, number)) for number in nodes)
        )

    def _rows_of(self, number: int) -> int:
        return int(self._clickhouse.query_node(number, "total_rows")[0][0])

    async def _asked(self, name: str, question: Callable[[], T]) -> T | None:
        """The answer to the question of this name, or None when there is none in time."""
        answer: asyncio.Future[T] | None = self._under_way.get(name)
        if answer is None or answer.done():
            answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
            # That nobody waits any more when it fails is no defect.
            answer.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._under_way[name] = answer
        try:
            return await asyncio.wait_for(asyncio.shield(answer), PATIENCE_SECONDS)
        except Exception:  # noqa: BLE001 - whatever is wrong with a service, it is not healthy
            return None

    def _disk_free_percent(self) -> float:
        folder = Path(self._folder).resolve()
        while not folder.exists():
            folder = folder.parent
        usage = shutil.disk_usage(folder)
        return round(100 * usage.free / usage.total, 1)


def overall(
    *, nodes: Sequence[bool], postgres: bool, redis: bool, workers: int, shards: int, disk_free_percent: float
) -> Status:
    """unhealthy: nothing can be served or collected. degraded: what is stored is served, but it may not grow or is not
    whole. `nodes`: whether each ClickHouse node answers. `shards`: how many are collected.
    """
    if not any(nodes) or not postgres:
        return "unhealthy"
    if not all(nodes) or not redis or not workers or shards < SHARD_COUNT or disk_free_percent < LOW_DISK_PERCENT:
        return "degraded"
    return "healthy"


def _postgres_answers() -> bool:
    connection.close_if_unusable_or_obsolete()
    connection.ensure_connection()
    try:
        return bool(connection.is_usable())
    finally:
        connection.close()


def _collectors(workers: list[WorkerStatus] | None) -> dict[str, Any]:
    found = workers or []
    return {
        "status": "unknown" if workers is None else "running" if found else "not_running",
        "workers": len(found),
        "shards": len({shard for worker in found for shard in worker.shards}),
        "symbols": sum(worker.subscribed for worker in found),
        "stream_connections": sum(worker.connections for worker in found),
        "trades_per_s": round(sum(worker.trades_per_s for worker in found), 1),
        "lag_ms": round(max((worker.lag_ms for worker in found), default=0.0), 1),
        "storage_delay_ms": max((worker.storage_delay_ms for worker in found), default=0),
        "buffered_rows": sum(worker.buffered_rows for worker in found),
        "spooled_batches": sum(worker.spooled_batches for worker in found),
    }


def _of_nodes(rows: Sequence[int | None]) -> dict[str, str]:
    """ClickHouse as a whole, and where there are several nodes each of them, counted from 1."""
    answers = [each is not None for each in rows]
    several = {f"node {number}": _word(each) for number, each in enumerate(answers, 1) if len(answers) > 1}
    return {"status": "degraded" if any(answers) and not all(answers) else _word(any(answers)), **several}


def _word(answers: bool) -> str:
    return "healthy" if answers else "unavailable"
