"""The landing page: what needs attention, figures, and the jobs that run. It opens while services are away."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q
from django.db.models.functions import TruncMonth
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from collectors.admin.shapes import list_address
from collectors.board import read_board
from collectors.directory import COLLECTED, to_collect, unlisted
from collectors.models import UNFINISHED, Gap, Symbol
from collectors.silence import silent_symbols
from dataprovider.clickhouse import Address, ClickHouse
from dataprovider.config import Config
from dataprovider.numbers import counted
from integrity.admin.attention import Findings, matters
from integrity.admin.progress import Standing
from integrity.alerts.facts import Facts, read_facts
from integrity.alerts.ledger import look_up
from integrity.alerts.rules import Rules
from integrity.models import (
    UNFINISHED_JOBS,
    CheckResult,
    Incident,
    IntegrityRun,
    JobKind,
    JobStatus,
    MonthCheck,
    RecoveryJob,
)

#: A service that has not answered after so many seconds counts as away.
PATIENCE_SECONDS = 1.5
MOST_RUNNING = 8


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of the glance."""

    title: str
    value: str
    more: str
    address: str


def landing() -> dict[str, Any]:
    """What the template shows. Raises django.db.Error; without Postgres nobody could be logged in."""
    config: Config = settings.CONFIG
    rules = rules_of(config)
    now = timezone.now()
    store = ClickHouse(
        Address.of_nodes(config), pool_size=1, connect_timeout=PATIENCE_SECONDS, timeout=PATIENCE_SECONDS
    )
    redis = Redis.from_url(settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS)
    try:
        since = now - timedelta(minutes=rules.gap_minutes)
        facts = read_facts(store, redis, config.dataprovider_home, lambda: look_up(since))
        silent = None if facts.hosts is None else _silent(redis, config.load_only_tickers)
    finally:
        store.close()
        redis.close()
    run = IntegrityRun.objects.filter(finished_at__isnull=False).first()
    running = RecoveryJob.objects.filter(status=JobStatus.RUNNING).select_related("symbol").order_by("-priority", "id")
    return {
        "matters": matters(facts, _findings(silent, run, config.load_only_tickers), rules, now),
        "rules": rules,
        "figures": _figures(facts, run, config.load_only_tickers),
        "run": run,
        "running": [Standing.of(job) for job in running[:MOST_RUNNING]],
    }


def rules_of(config: Config) -> Rules:
    """From where on something needs a person: the limits of the alerts."""
    return Rules(config.alert_gap_minutes, config.alert_lag_seconds, config.alert_disk_percent)


def _silent(redis: Redis, only: Collection[str]) -> list[str] | None:
    try:
        return list(silent_symbols(read_board(redis), timezone.now(), only).values_list("name", flat=True))
    except RedisError:
        return None


def _findings(silent: Sequence[str] | None, run: IntegrityRun | None, only: Collection[str]) -> Findings:
    set_aside = RecoveryJob.objects.filter(status=JobStatus.FAILED)
    last = set_aside.select_related("symbol").order_by("-updated_at").first()
    months = MonthCheck.objects.filter(result__in=(CheckResult.HOLES, CheckResult.DUPLICATES))
    # Holes in a month that history is being brought in of close by themselves.
    loading = RecoveryJob.objects.annotate(since=TruncMonth("first_day")).filter(
        kind=JobKind.DAYS,
        status__in=UNFINISHED_JOBS,
        symbol=OuterRef("symbol"),
        since__lte=OuterRef("month"),
        last_day__gte=OuterRef("month"),
    )
    months = months.exclude(Q(result=CheckResult.HOLES) & Exists(loading))
    results = dict(months.order_by().values_list("result").annotate(Count("pk")))
    paused = Symbol.objects.filter(enabled=False, status__in=COLLECTED)
    return Findings(
        set_aside=set_aside.count(),
        last_set_aside=(last.symbol.name, last.reason) if last else ("", ""),
        incidents=dict(Incident.objects.filter(ended_at=None).values_list("key", "text")),
        months_with_holes=results.get(CheckResult.HOLES, 0),
        months_with_duplicates=results.get(CheckResult.DUPLICATES, 0),
        check_problem=run.problem if run else "",
        paused=list(paused.values_list("name", flat=True)),
        silent=silent,
        unlisted=unlisted(only),
    )


def _figures(facts: Facts, run: IntegrityRun | None, only: Collection[str]) -> list[Figure]:
    wanted = to_collect(only).count()
    listed = Symbol.objects.filter(status__in=COLLECTED).count()
    gaps = Gap.objects.filter(status__in=UNFINISHED).count()
    jobs = dict(
        RecoveryJob.objects.filter(status__in=UNFINISHED_JOBS).order_by().values_list("status").annotate(Count("pk"))
    )
    rate = None if facts.workers is None else sum(each.trades_per_s for each in facts.workers)
    checked = (
        f"{run.started_at:%H:%M} UTC: {run.missing:,} missing, {run.duplicates:,} twice"
        if run
        else "by the keeper, soon"
    )
    return [
        Figure("Symbols", f"{wanted:,}", f"collected of {listed:,}", list_address("collectors_symbol")),
        Figure(
            "Workers",
            "?" if facts.workers is None else f"{len(facts.workers)}",
            "not known, Valkey is away" if rate is None else f"{rate:,.0f} trades/s",
            list_address("collectors_shardlease"),
        ),
        Figure("Open gaps", f"{gaps:,}", "waiting or recovering", list_address("collectors_gap", age="unfinished")),
        Figure(
            "Recovery jobs",
            f"{jobs.get(JobStatus.RUNNING, 0):,}",
            f"running, {jobs.get(JobStatus.PENDING, 0):,} waiting",
            list_address("integrity_recoveryjob"),
        ),
        Figure(
            "Last check",
            counted(run.symbols, "symbol") if run else "none yet",
            checked,
            list_address("integrity_integrityrun"),
        ),
    ]
