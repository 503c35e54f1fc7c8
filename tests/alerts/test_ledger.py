"""Postgres hangs, and the duty changes hands."""

from __future__ import annotations

import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import psutil
import pytest
from django.db import OperationalError, connection

from dataprovider.embedded import ServiceStack
from integrity.alerts.book import IncidentBook
from integrity.alerts.ledger import DUTY, Ledger
from integrity.models import Duty, Incident
from tests.collectors.test_outages import paused, service_pid
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SINCE = datetime(2024, 1, 1, tzinfo=UTC)


def test_a_hanging_postgres_is_away_and_holds_nobody_up(service_stack: ServiceStack) -> None:
    ledger = Ledger("one", patience=0.3)
    assert ledger.ask(Incident.objects.count, 10.0) == 0
    before = time.monotonic()
    postgres = psutil.Process(service_pid(service_stack, "postgres"))
    with ExitStack() as hanging:
        for process in [postgres, *postgres.children()]:
            hanging.enter_context(paused(process.pid))
        with pytest.raises(OperationalError, match=r"no answer within 0\.3 s"):
            ledger.record({"lag": "late"})
        with pytest.raises(OperationalError, match="it hangs"):
            ledger.look(SINCE)
        # Postgres hangs until this block is left.
        assert time.monotonic() - before < 8
    wait_until(lambda: Incident.objects.filter(key="lag").exists(), 10, "what was asked before")
    assert ledger.look(SINCE).on_duty
    close(ledger)


def test_who_takes_the_duty_over_knows_what_was_told_while_postgres_was_away() -> None:
    one, two = Ledger("one"), Ledger("two")
    assert one.look(SINCE).on_duty
    assert not two.look(SINCE).on_duty
    Duty.objects.filter(name=DUTY).update(expires_at=SINCE)
    assert two.look(SINCE).incidents == {}
    # Told by the first while nobody could write it down.
    assert not one.look(SINCE).on_duty
    one.hand_over({"service Postgres": "away"})
    book = IncidentBook(patience=15)
    book.restore(two.look(SINCE).incidents)
    assert book.look({}, 100, lambda _: False) == []
    assert [message.state for message in book.look({}, 116, lambda _: False)] == ["resolved"]
    two.record(book.open())
    assert not Incident.objects.filter(ended_at=None).exists()
    two.give_up_duty(1.0)
    assert one.look(SINCE - timedelta(days=1)).on_duty
    close(one, two)


def close(*ledgers: Ledger) -> None:
    """Their threads' connections."""
    for ledger in ledgers:
        ledger.ask(lambda: connection.close())
