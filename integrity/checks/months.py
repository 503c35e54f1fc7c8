"""A symbol's history month by month, as people look at it: what is proved, whole, not whole, absent, or not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from collectors.models import UNFINISHED, Gap, Symbol
from integrity.models import UNFINISHED_JOBS, CheckResult, JobKind, MonthCheck, RecoveryJob


class MonthState(StrEnum):
    """What is known of a month."""

    PROVED = "proved"  # every day was read row by row, and nothing is missing
    COMPLETE = "complete"  # no hole in what is stored so far
    PARTIAL = "partial"  # ids are missing, or trades are there twice
    ABSENT_UPSTREAM = "absent_upstream"  # proved, but for ids that the exchange itself does not have
    UNCHECKED = "unchecked"  # trades are stored, and no check has looked at them yet
    LOADING = "loading"  # nothing is stored yet, and a job will bring it
    NONE = "none"  # nothing is stored


@dataclass(frozen=True, slots=True)
class MonthSummary:
    """One month. Counts are of its last check; None where it was never checked. open_gaps: as of now."""

    month: date
    state: MonthState
    open_gaps: int
    check: MonthCheck | None


def months_of(symbol: Symbol, today: date, stored: tuple[date, date] | None = None) -> list[MonthSummary]:
    """From the contract's first month to today's, ascending. Raises django.db.Error.

    `stored`: the days of the first and the last stored trade; None when there is none.
    """
    checks = {check.month: check for check in MonthCheck.objects.filter(symbol=symbol)}
    gaps = [_months_of_gap(gap, today) for gap in Gap.objects.filter(symbol=symbol, status__in=UNFINISHED)]
    coming = [
        (job.first_day, job.last_day)
        for job in RecoveryJob.objects.filter(symbol=symbol, kind=JobKind.DAYS, status__in=UNFINISHED_JOBS)
        if job.first_day is not None and job.last_day is not None
    ]
    first = min([symbol.onboard_date.astimezone(UTC).date().replace(day=1), *checks], default=today.replace(day=1))
    found = []
    month = first
    while month <= today:
        following = (month + timedelta(days=32)).replace(day=1)
        check = checks.get(month)
        open_gaps = sum(since <= month <= until for since, until in gaps)
        is_coming = any(begin < following and end >= month for begin, end in coming)
        state = _state(check, open_gaps, is_coming)
        if state is MonthState.NONE and stored is not None and stored[0] < following and stored[1] >= month:
            state = MonthState.UNCHECKED
        found.append(MonthSummary(month, state, open_gaps, check))
        month = following
    return found


def _state(check: MonthCheck | None, open_gaps: int, is_coming: bool) -> MonthState:
    if check is None:
        return MonthState.LOADING if is_coming else MonthState.NONE
    if open_gaps or check.result in (CheckResult.HOLES, CheckResult.DUPLICATES):
        return MonthState.PARTIAL
    if check.absent:
        return MonthState.ABSENT_UPSTREAM
    return MonthState.PROVED if check.result == CheckResult.PROVED else MonthState.COMPLETE


def _months_of_gap(gap: Gap, today: date) -> tuple[date, date]:
    """The first and the last month that the missing trades may be of."""
    times = [_month(ms) for ms in (gap.after_ms, gap.before_ms) if ms is not None]
    known: Iterable[date] = times or [today.replace(day=1)]
    return min(known), max(known)


def _month(ms: int) -> date:
    return datetime.fromtimestamp(ms / 1000, UTC).date().replace(day=1)
