"""What Postgres, ClickHouse and Valkey each know of contracts. Functions here block, and raise what those raise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, F, Q, Sum
from django.db.models.functions import Now

from collectors.models import UNFINISHED, Gap, GapStatus, ShardLease, StreamBoundary, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.heartbeat import WorkerStatus
from integrity.models import UNFINISHED_JOBS, JobKind, JobStatus, RecoveryJob, SymbolTrust


@dataclass(frozen=True, slots=True)
class Missing:
    """A contract's gaps that are not closed, and how many ids they name."""

    open: int = 0
    recovering: int = 0
    ids: int = 0


@dataclass(frozen=True, slots=True)
class Jobs:
    """A contract's recovery jobs that are not finished. history: whole days are among them."""

    waiting: int = 0
    running: int = 0
    history: bool = False


@dataclass(frozen=True, slots=True)
class Book:
    """What Postgres knows: contracts by name (of those that share one the newest), and what belongs to each."""

    symbols: dict[str, Symbol]
    leases: dict[int, ShardLease]
    missing: dict[str, Missing]
    jobs: dict[str, Jobs]
    trust: dict[str, SymbolTrust]
    boundaries: dict[str, StreamBoundary] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stored:
    """What ClickHouse holds of a contract; times in ms, None where they were not asked for."""

    rows: int
    first_id: int | None = None
    last_id: int | None = None
    first_time: int | None = None
    last_time: int | None = None


NOTHING = Stored(0)


def read_book(name: str | None = None) -> Book:
    """All contracts, or the one of this name (then with its last boundary)."""
    rows = Symbol.objects.order_by("name", "-onboard_date").distinct("name").defer("info")
    symbols = {each.name: each for each in (rows if name is None else rows.filter(name=name))}
    of_these = Q() if name is None else Q(symbol__name=name)
    boundary = StreamBoundary.objects.filter(symbol__name=name).order_by("-at", "-id").first() if name else None
    return Book(
        symbols=symbols,
        leases={lease.shard: lease for lease in ShardLease.objects.filter(expires_at__gt=Now())},
        missing=_missing(of_these),
        jobs=_jobs(of_these),
        trust={each.symbol.name: each for each in SymbolTrust.objects.filter(of_these).select_related("symbol")},
        boundaries={boundary.symbol.name: boundary} if boundary else {},
    )


def stored_of_all(clickhouse: ClickHouse) -> dict[str, Stored]:
    """Of every symbol that has trades, without times."""
    return {row[0]: Stored(*map(int, row[1:4])) for row in clickhouse.query("symbols")}


def stored_of(clickhouse: ClickHouse, name: str) -> Stored:
    """Of one symbol, with times."""
    found = clickhouse.query("symbol_extent", symbols=[name])
    if not found:
        return NOTHING
    rows, first_id, last_id = map(int, found[0][1:4])
    times = {each[0]: each for each in clickhouse.query("times_of_ids", symbol=name, ids=[first_id, last_id])}
    return Stored(rows, first_id, last_id, int(times[first_id][1]), int(times[last_id][2]))


def carriers(workers: Iterable[WorkerStatus]) -> dict[int, WorkerStatus]:
    """Shard -> the worker that says it carries it."""
    return {shard: worker for worker in workers for shard in worker.shards}


def milliseconds(time: datetime | None) -> int | None:
    """A time of Postgres in ms since 1970."""
    return None if time is None else round(time.timestamp() * 1000)


def _missing(of_these: Q) -> dict[str, Missing]:
    rows = (
        Gap.objects.filter(of_these, status__in=UNFINISHED)
        .order_by()
        .values_list("symbol__name")
        .annotate(
            open=Count("id", filter=Q(status=GapStatus.OPEN)),
            recovering=Count("id", filter=Q(status=GapStatus.RECOVERING)),
            ids=Sum(F("last_id") - F("first_id") + 1),
        )
    )
    return {name: Missing(is_open, recovering, int(ids)) for name, is_open, recovering, ids in rows}


def _jobs(of_these: Q) -> dict[str, Jobs]:
    rows = (
        RecoveryJob.objects.filter(of_these, status__in=UNFINISHED_JOBS)
        .order_by()
        .values_list("symbol__name")
        .annotate(
            waiting=Count("id", filter=Q(status=JobStatus.PENDING)),
            running=Count("id", filter=Q(status=JobStatus.RUNNING)),
            days=Count("id", filter=Q(kind=JobKind.DAYS)),
        )
    )
    return {name: Jobs(waiting, running, bool(days)) for name, waiting, running, days in rows}
