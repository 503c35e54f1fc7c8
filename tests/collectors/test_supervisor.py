"""Who is taken for hanging: a worker that says nothing, not one that was not listened to."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from typing import cast

import pytest
from django.conf import settings
from redis import Redis

from collectors.books import Books
from collectors.management.commands.runcollectors import worker_settings
from collectors.messages import Report
from collectors.supervisor import STALLED_SECONDS, Supervisor
from collectors.workerprocess import WorkerProcess

Seat = tuple[Supervisor, WorkerProcess, Connection]


@pytest.fixture
def seat() -> Iterator[Seat]:
    """A supervisor, one worker that lives, and that worker's end of the pipe."""
    redis = Redis.from_url(settings.CONFIG.redis_url)
    own = [worker_settings(settings.CONFIG, "host:1:2-3", 0, 1)]
    # Postgres is not asked here.
    supervisor = Supervisor("host:1:2-3", cast(Books, None), own, lambda: None, redis)
    (worker,) = supervisor._workers
    context = multiprocessing.get_context("spawn")
    worker.process = process = context.Process(target=time.sleep, args=(60,))
    process.start()
    worker.link, far = context.Pipe()
    yield supervisor, worker, far
    process.kill()
    process.join()
    far.close()
    redis.close()


def test_after_the_supervisor_itself_was_stopped_its_workers_live_on(seat: Seat) -> None:
    supervisor, worker, far = seat
    far.send(Report({}, {}, [], []))
    worker.heard = time.monotonic() - STALLED_SECONDS - 5
    supervisor._tend_processes(time.monotonic())
    assert worker.alive


def test_a_worker_that_says_nothing_is_replaced(seat: Seat) -> None:
    supervisor, worker, _ = seat
    worker.heard = time.monotonic() - STALLED_SECONDS - 5
    supervisor._tend_processes(time.monotonic())
    assert worker.process is None
    assert worker.start_at > time.monotonic()
