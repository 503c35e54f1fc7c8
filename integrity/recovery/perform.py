"""Performing one claimed job: its lease is kept while it runs, and however it ends, the queue hears of it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connection

from integrity.models import RecoveryJob
from integrity.recovery import queue
from integrity.recovery.ending import end_of
from integrity.recovery.ledger import PostgresLedger
from integrity.recovery.queue import Progress
from integrity.recovery.tools import Tools

HEARTBEAT_SECONDS = 1.0


class Performer:
    """Runs claimed jobs one after the other. `stopping`: the process is to end, jobs are handed back."""

    def __init__(self, tools: Tools, stopping: Callable[[], bool]) -> None:
        self._tools = tools
        self._stopping = stopping

    def perform(self, job: RecoveryJob) -> None:
        """Run a job that was just claimed. Raises django.db.Error: then its lease runs out and another takes it."""
        pulse = _Pulse(job)
        pulse.start()
        try:
            end = end_of(job, self._tools, pulse.progress, lambda: self._stopping() or pulse.ends, PostgresLedger())
        finally:
            pulse.stop()
            shutil.rmtree(self._tools.folder / str(job.pk), ignore_errors=True)
        if end is not None:
            end()


class _Pulse:
    """Keeps the lease of one run and saves its progress, from a thread of its own."""

    def __init__(self, job: RecoveryJob) -> None:
        self.progress = Progress.of(job)
        self.ends = False
        self._job = job
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        try:
            while not self._stop.wait(HEARTBEAT_SECONDS):
                try:
                    self.ends = self.ends or not queue.heartbeat(self._job, self.progress)
                except DatabaseError:
                    # Nobody can take the job while Postgres is away; another host's reaper is kept out by the claim.
                    connection.close()
        finally:
            connection.close()
