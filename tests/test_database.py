"""What every connection to Postgres is told."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import Error, connection, transaction

from collectors.leases import Leases
from collectors.models import ShardLease
from dataprovider import apps
from tests.waiting import wait_until


@pytest.mark.django_db(transaction=True)
def test_who_sleeps_inside_a_transaction_gives_back_what_it_has_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is cut off just there would keep its shards from all others for two hours."""
    monkeypatch.setattr(apps, "IDLE_IN_TRANSACTION_SECONDS", 1)
    other = Leases("other:1:7-abc")
    other.join(workers=1)
    locked, awake = threading.Event(), threading.Event()

    def sleep() -> bool:
        try:
            with transaction.atomic():
                list(ShardLease.objects.select_for_update())
                locked.set()
                awake.wait(30)
                ShardLease.objects.update(owner="late")
        except Error:
            return True
        finally:
            connection.close()
        return False

    with ThreadPoolExecutor(1) as threads:
        asleep = threads.submit(sleep)
        try:
            assert locked.wait(10)
            assert other.acquire(16) == {}
            taken = wait_until(lambda: other.acquire(16), 10, "the locks to be gone")
        finally:
            awake.set()
        assert asleep.result()
    assert len(taken) == 16
    assert not ShardLease.objects.filter(owner="late").exists()
