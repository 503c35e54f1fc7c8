"""How the system stands, as far as alerts are concerned: read from its services, each of which may be away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.db import Error as DatabaseError
from redis import Redis
from redis.exceptions import RedisError

from collectors.binance.weight import WeightBudget
from dataprovider.clickhouse import ClickHouse, ClickHouseError
from dataprovider.heartbeat import HostStatus, WorkerStatus, read_hosts, read_workers
from integrity.alerts.ledger import Known

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Facts:
    """None: the service that knows it is away, and `away` says what it said, by the service's name."""

    away: dict[str, str] = field(default_factory=dict)
    hosts: list[HostStatus] | None = None
    workers: list[WorkerStatus] | None = None
    #: When the ban of this address ends (ms, UTC), 0 for none.
    banned_until_ms: int = 0
    known: Known | None = None
    disk_free_percent: float = 100.0
    #: The shard that is changing its ClickHouse node.
    moving: int | None = None
    #: Hosts on which a worker ended unasked a short while ago.
    bereaved: frozenset[str] = frozenset()


def read_facts(store: ClickHouse, redis: Redis, home: Path, look: Callable[[], Known]) -> Facts:
    """Everything at one moment. `look` asks Postgres. Never raises for a service."""
    away: dict[str, str] = {}

    def asked(service: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except (ClickHouseError, DatabaseError, RedisError) as error:
            away[service] = (str(error).strip().splitlines() or [type(error).__name__])[0]
            return None

    known = asked("Postgres", look)
    if known is not None and not known.on_duty:
        return Facts(known=known)
    asked("ClickHouse", lambda: store.query_each("total_rows"))
    moving = None if away else asked("ClickHouse", store.moving)
    hosts = asked("Valkey", lambda: read_hosts(redis))
    workers = None if hosts is None else asked("Valkey", lambda: read_workers(redis))
    weight = (
        None if hosts is None else asked("Valkey", lambda: WeightBudget(redis, settings.CONFIG.egress_name).state())
    )
    banned = weight is not None and weight.banned_until_ms > weight.now_ms
    return Facts(
        away=away,
        hosts=hosts,
        workers=workers,
        banned_until_ms=weight.banned_until_ms if weight is not None and banned else 0,
        known=known,
        disk_free_percent=disk_free_percent(home),
        moving=moving,
    )


def disk_free_percent(home: Path) -> float:
    """Of the disk that holds DATAPROVIDER_HOME."""
    folder = home.resolve()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return 100 * usage.free / usage.total
