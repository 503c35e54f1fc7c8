"""What integrity checks remember in Postgres, read and written for many symbols at once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from collectors.gaps import mark_recovered, open_gaps
from collectors.messages import GapFound
from collectors.models import UNFINISHED, Gap, GapCause, GapStatus, ShardLease, Symbol
from integrity.checks.ids import Range, Run, size, united, without
from integrity.checks.read import Known
from integrity.models import UNFINISHED_JOBS, CheckResult, JobKind, MonthCheck, RecoveryJob, SymbolTrust

logger = logging.getLogger(__name__)

#: More runs than these are not remembered: such a month is read again each time.
MOST_RUNS = 5_000
#: The exchange numbers a contract's trades from 0 or 1: nothing comes before a trade with such an id.
FIRST_IDS = 1
FIRST_OF_ALL = {"source": "the exchange numbers trades from here"}

_UPSERTED = (
    "result",
    "rows",
    "first_id",
    "last_id",
    "missing",
    "duplicates",
    "absent",
    "twins",
    "fingerprint",
    "proved_days",
    "proved_fingerprint",
    "runs",
    "checked_at",
)
_TRUST = (
    "first_id",
    "first_ms",
    "last_id",
    "last_ms",
    "trust_id",
    "trust_ms",
    "rows",
    "missing",
    "duplicates",
    "absent",
    "checked_at",
)


@dataclass(slots=True)
class Remembered:
    """What Postgres knows of one symbol before it is checked.

    coming: the first and last day (included) of history that unfinished jobs will bring.
    """

    pk: int
    shard: int
    months: dict[date, MonthCheck] = field(default_factory=dict)
    trust: SymbolTrust | None = None
    absent: list[Range] = field(default_factory=list)
    open_gaps: list[Gap] = field(default_factory=list)
    coming: list[tuple[date, date]] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What a check of one symbol found, to be written at once."""

    months: list[MonthCheck] = field(default_factory=list)
    vanished: list[int] = field(default_factory=list)
    trust: SymbolTrust | None = None
    first_id_changed: bool = False
    gaps: list[GapFound] = field(default_factory=list)
    recovered: list[Gap] = field(default_factory=list)


def remember(names: Collection[str] | None) -> dict[str, Remembered]:
    """Every contract by name (of several with one name the one that was listed last), or those of `names`.

    Raises django.db.Error while Postgres is away.
    """
    symbols = Symbol.objects.order_by("onboard_date")
    if names is not None:
        symbols = symbols.filter(name__in=names)
    found = {name: Remembered(pk, shard) for pk, name, shard in symbols.values_list("pk", "name", "shard")}
    by_pk = {each.pk: each for each in found.values()}
    chosen = None if names is None else by_pk.keys()
    for check in _of(MonthCheck.objects.order_by(), chosen):
        if check.symbol_id in by_pk:
            by_pk[check.symbol_id].months[check.month] = check
    for trust in _of(SymbolTrust.objects.order_by(), chosen):
        if trust.pk in by_pk:
            by_pk[trust.pk].trust = trust
    gaps = Gap.objects.filter(status__in=[*UNFINISHED, GapStatus.ABSENT_UPSTREAM]).order_by("symbol_id", "first_id")
    for pk, of_symbol in groupby(_of(gaps, chosen).iterator(), key=attrgetter("symbol_id")):
        if pk in by_pk:
            _take_gaps(by_pk[pk], of_symbol)
    jobs = RecoveryJob.objects.filter(kind=JobKind.DAYS, status__in=UNFINISHED_JOBS).order_by()
    for pk, first_day, last_day in _of(jobs, chosen).values_list("symbol_id", "first_day", "last_day"):
        if pk in by_pk and first_day is not None and last_day is not None:
            by_pk[pk].coming.append((first_day, last_day))
    return found


def _of(rows: QuerySet[Any], pks: Collection[int] | None) -> QuerySet[Any]:
    return rows if pks is None else rows.filter(symbol_id__in=pks)


def _take_gaps(remembered: Remembered, gaps: Iterable[Gap]) -> None:
    absent = []
    for gap in gaps:
        if gap.status == GapStatus.ABSENT_UPSTREAM:
            absent.append((gap.first_id, gap.last_id))
        else:
            remembered.open_gaps.append(gap)
    remembered.absent = united(absent)


def held_shards() -> frozenset[int]:
    """The shards that a worker may be writing now."""
    return frozenset(ShardLease.objects.filter(expires_at__gt=timezone.now()).values_list("shard", flat=True))


def known_of(check: MonthCheck | None) -> Known:
    """What was read of a month before."""
    if check is None or not check.proved_days:
        return Known()
    return Known(check.proved_days, int(check.proved_fingerprint), tuple(Run(*run) for run in check.runs))


def month_check(pk: int, month: date, known: Known, **values: Any) -> MonthCheck:
    """The row for a month of a symbol; `values` are its other fields."""
    if len(known.runs) > MOST_RUNS:
        known = Known()
    return MonthCheck(
        symbol_id=pk,
        month=month,
        proved_days=known.days,
        proved_fingerprint=str(known.fingerprint) if known.days else "",
        runs=[[run.first_id, run.last_id, run.rows, run.trades] for run in known.runs],
        **values,
    )


def write(outcomes: Iterable[Outcome]) -> int:
    """Write what was found of some symbols, all or nothing; how many gaps are new."""
    outcomes = list(outcomes)
    trusts = [each.trust for each in outcomes if each.trust is not None]
    moved = [trust.pk for each in outcomes if each.first_id_changed and (trust := each.trust) is not None]
    numbered_from_here = [trust.pk for trust in trusts if trust.first_id <= FIRST_IDS]
    with transaction.atomic():
        MonthCheck.objects.filter(pk__in=[pk for each in outcomes for pk in each.vanished]).delete()
        MonthCheck.objects.bulk_create(
            [check for each in outcomes for check in each.months],
            batch_size=1_000,
            update_conflicts=True,
            unique_fields=["symbol", "month"],
            update_fields=_UPSERTED,
        )
        # Why nothing comes before the first trade is said of that trade, and others may just have written it.
        SymbolTrust.objects.filter(pk__in=moved).update(origin={})
        SymbolTrust.objects.bulk_create(
            trusts, batch_size=1_000, update_conflicts=True, unique_fields=["symbol"], update_fields=_TRUST
        )
        SymbolTrust.objects.filter(pk__in=numbered_from_here, origin={}).update(origin=FIRST_OF_ALL)
        for gap in (gap for each in outcomes for gap in each.recovered):
            mark_recovered(gap, {"check": "its trades are in the table"})
        return open_gaps(gap for each in outcomes for gap in each.gaps)


@dataclass(frozen=True, slots=True)
class Lost:
    """How many ids are gone, and how many gaps are new."""

    ids: int
    gaps: int


def write_vanished(gone: Mapping[str, Remembered], now: datetime) -> Lost:
    """Nothing is stored any more of symbols that trades were stored of: all of them are gaps (but what is absent)."""
    found: list[GapFound] = []
    ids = 0
    for name, each in gone.items():
        trust = each.trust
        if trust is None:
            continue
        lost = without([(trust.first_id, trust.last_id)], each.absent)
        trust.rows, trust.missing, trust.duplicates, trust.checked_at = 0, size(lost), 0, now
        trust.trust_id, trust.trust_ms = max(0, trust.first_id - 1), trust.first_ms
        ids += trust.missing
        spoken_of = united([(gap.first_id, gap.last_id) for gap in each.open_gaps])
        found += [
            GapFound(name, first, last, GapCause.CHECK, trust.first_ms, trust.last_ms)
            for first, last in without(lost, spoken_of)
        ]
        logger.error("All %d trades of %s that were stored are gone; they are fetched again.", trust.missing, name)
    trusts = [each.trust for each in gone.values() if each.trust is not None]
    with transaction.atomic():
        MonthCheck.objects.filter(symbol_id__in=[trust.pk for trust in trusts]).delete()
        SymbolTrust.objects.bulk_update(trusts, [*_TRUST], batch_size=1_000)
        return Lost(ids, open_gaps(found))


def month_of(seconds: int) -> date:
    """The first day of the month (UTC) that begins at this time."""
    return datetime.fromtimestamp(seconds, UTC).date()


def result_of(*, missing: int, duplicates: int, proved: bool) -> CheckResult:
    """What a month is called."""
    if missing:
        return CheckResult.HOLES
    if duplicates:
        return CheckResult.DUPLICATES
    return CheckResult.PROVED if proved else CheckResult.CONTIGUOUS
