"""What one process at a time does for all hosts: who may, history's jobs, and what of origins is written down."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models.functions import Now

from collectors.models import Symbol
from integrity.models import Duty, JobStatus, RecoveryJob, SymbolTrust
from integrity.recovery import queue
from integrity.recovery.election import give_up, take_or_keep
from integrity.recovery.history import plan_history, today_of
from integrity.recovery.origin import apply_origins
from tests.integrity.rows import make_symbol

pytestmark = pytest.mark.django_db


def test_a_duty_is_one_owners_until_it_is_given_up_or_runs_out() -> None:
    assert take_or_keep("keeper", "one")
    assert not take_or_keep("keeper", "two")
    assert take_or_keep("keeper", "one")
    assert take_or_keep("another duty", "two")
    Duty.objects.filter(name="keeper").update(expires_at=Now() - timedelta(seconds=1))
    assert take_or_keep("keeper", "two")
    assert not take_or_keep("keeper", "one")
    give_up("keeper", "one")
    assert not take_or_keep("keeper", "one")
    give_up("keeper", "two")
    assert take_or_keep("keeper", "one")


def ranges(symbol: Symbol) -> list[tuple[date, date]]:
    jobs = RecoveryJob.objects.filter(symbol=symbol).order_by("first_day")
    return [(job.first_day, job.last_day) for job in jobs if job.first_day and job.last_day]


def test_history_is_asked_for_once_month_by_month_up_to_yesterday() -> None:
    old = make_symbol("AUSDT")
    young = make_symbol("BUSDT")
    Symbol.objects.filter(pk=young.pk).update(onboard_date=datetime(2024, 2, 10, 12, tzinfo=UTC))
    off, gone = make_symbol("CUSDT", enabled=False), make_symbol("DUSDT", status="DELISTED")
    start, today = date(2024, 1, 20), date(2024, 2, 15)
    assert plan_history(start, today) == 3
    assert ranges(old) == [
        (date(2024, 1, 20), date(2024, 1, 31)),
        (date(2024, 2, 1), date(2024, 2, 14)),
    ]
    assert ranges(young) == [(date(2024, 2, 10), date(2024, 2, 14))]
    assert ranges(off) == ranges(gone) == []
    # Also what was cancelled is not asked for again.
    for job in RecoveryJob.objects.all():
        queue.cancel(job)
    assert plan_history(start, today) == 0
    Symbol.objects.filter(pk=off.pk).update(enabled=True)
    assert plan_history(start, today) == 2


def test_history_is_asked_for_of_the_symbols_that_are_loaded_alone() -> None:
    make_symbol("AUSDT")
    wanted = make_symbol("BUSDT")
    assert plan_history(date(2024, 1, 1), date(2024, 1, 2), ["BUSDT"]) == 1
    assert ranges(wanted) == [(date(2024, 1, 1), date(2024, 1, 1))]


def test_the_day_is_the_one_of_utc() -> None:
    assert today_of(1_704_067_199_999) == date(2023, 12, 31)
    assert today_of(1_704_067_200_000) == date(2024, 1, 1)


def test_an_origin_is_written_to_the_trust_point_that_begins_there() -> None:
    symbol = make_symbol()
    trust = SymbolTrust.objects.create(
        symbol=symbol,
        first_id=100,
        first_ms=1,
        last_id=200,
        last_ms=2,
        trust_id=200,
        trust_ms=2,
        rows=101,
        checked_at=datetime.now(UTC),
    )
    job, _ = queue.add_days_job(symbol, date(2024, 1, 1), date(2024, 1, 1), source="auto", batch="b")
    origin = {"source": "archive listing", "first_id": 100, "first_archived_day": "2024-01-01"}
    RecoveryJob.objects.filter(pk=job.pk).update(result={"origin": origin})
    assert apply_origins() == 0, "the job is not done"
    RecoveryJob.objects.filter(pk=job.pk).update(status=JobStatus.DONE, result={"origin": {**origin, "first_id": 90}})
    assert apply_origins() == 0, "another beginning"
    RecoveryJob.objects.filter(pk=job.pk).update(result={"origin": origin})
    assert apply_origins() == 1
    trust.refresh_from_db()
    assert trust.origin == origin
    assert apply_origins() == 0
