"""HISTORY_START: jobs that bring in every collected symbol's past, month by month, newest first, behind all gaps."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from collectors.directory import COLLECTED
from collectors.models import Symbol
from integrity.models import RecoveryJob, Source
from integrity.recovery import queue
from integrity.recovery.planner import months


def batch_name(start: date) -> str:
    """The jobs of one HISTORY_START belong together."""
    return f"history since {start}"


def plan_history(start: date, today: date, only: Iterable[str] = ()) -> int:
    """Make the jobs that are not there yet, whatever became of them; how many. `today`: by the exchange's clock.

    Today itself is the live collection's; a symbol begins on the day it was listed.
    """
    batch = batch_name(start)
    names = set(only)
    known = set(RecoveryJob.objects.filter(batch=batch).values_list("symbol_id", flat=True).distinct())
    made = 0
    for symbol in Symbol.objects.filter(enabled=True, status__in=COLLECTED).exclude(pk__in=known):
        if names and symbol.name not in names:
            continue
        first = max(start, symbol.onboard_date.astimezone(UTC).date())
        for first_day, last_day in months(first, today - timedelta(days=1)):
            made += queue.add_days_job(symbol, first_day, last_day, source=Source.AUTO, batch=batch)[1]
    return made


def today_of(now_ms: int) -> date:
    """The UTC day of the exchange's time."""
    return datetime.fromtimestamp(now_ms / 1000, UTC).date()
