"""How the system stands, as far as alerts are concerned: read from its services, each of which may be away."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import F, Min, Sum
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from collectors.binance.weight import WeightBudget
from collectors.models import UNFINISHED, Gap, Symbol, SymbolStatus
from dataprovider.clickhouse import ClickHouse, ClickHouseError
from dataprovider.heartbeat import HostStatus, WorkerStatus, read_hosts, read_workers

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class OldGaps:
    """Gaps that have been open for longer than they may be."""

    gaps: int
    ids: int
    symbol: str
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Facts:
    """None: the service that knows it is away, and `away` says what it said, by the service's name."""

    away: dict[str, str] = field(default_factory=dict)
    hosts: list[HostStatus] | None = None
    workers: list[WorkerStatus] | None = None
    ban_ms: int | None = None
    old_gaps: OldGaps | None = None
    #: Contract -> its status at the exchange.
    contracts: dict[str, str] | None = None
    disk_free_percent: float = 100.0
    #: Hosts on which a worker ended unasked a short while ago.
    bereaved: frozenset[str] = frozenset()


def read_facts(store: ClickHouse, redis: Redis, home: Path, *, gaps_since: datetime) -> Facts:
    """Everything at one moment. `gaps_since`: gaps that were opened before are old. Never raises for a service."""
    away: dict[str, str] = {}

    def asked(service: str, question: Callable[[], T]) -> T | None:
        try:
            return question()
        except (ClickHouseError, DatabaseError, RedisError) as error:
            away[service] = (str(error).strip().splitlines() or [type(error).__name__])[0]
            if isinstance(error, DatabaseError):
                connection.close()
            return None

    asked("ClickHouse", lambda: store.query("total_rows"))
    hosts = asked("Valkey", lambda: read_hosts(redis))
    workers = None if hosts is None else asked("Valkey", lambda: read_workers(redis))
    weight = None if hosts is None else asked("Valkey", lambda: WeightBudget(redis).state())
    old_gaps = asked("Postgres", lambda: _old_gaps(gaps_since))
    contracts = None if "Postgres" in away else asked("Postgres", _contracts)
    return Facts(
        away=away,
        hosts=hosts,
        workers=workers,
        ban_ms=None if weight is None else max(0, weight.banned_until_ms - weight.now_ms),
        old_gaps=old_gaps,
        contracts=contracts,
        disk_free_percent=disk_free_percent(home),
    )


def disk_free_percent(home: Path) -> float:
    """Of the disk that holds DATAPROVIDER_HOME."""
    folder = home.resolve()
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return 100 * usage.free / usage.total


def _old_gaps(since: datetime) -> OldGaps | None:
    old = Gap.objects.filter(status__in=UNFINISHED, opened_at__lt=since).order_by()
    found = old.aggregate(ids=Sum(F("last_id") - F("first_id") + 1), oldest=Min("opened_at"))
    if found["oldest"] is None:
        return None
    first = old.select_related("symbol").order_by("opened_at").first()
    return OldGaps(old.count(), int(found["ids"]), first.symbol.name if first else "", found["oldest"])


def _contracts() -> dict[str, str]:
    rows = Symbol.objects.exclude(status=SymbolStatus.OTHER).order_by("onboard_date").values_list("name", "status")
    return dict(rows)


def now() -> datetime:
    """The time alerts are marked with."""
    return timezone.now()
