"""Performing one claimed job: its lease is kept while it runs, and however it ends, the queue hears of it."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable

from django.db import Error as DatabaseError
from django.db import connection
from redis.exceptions import RedisError

from collectors.binance.archive import ArchiveUnreachable, FolderUnusable
from collectors.binance.archive import GaveUp as DownloadGivenUp
from collectors.binance.rest import Banned, Blocked, ExchangeProblem, GaveUp, RateLimited
from dataprovider.clickhouse import ClickHouseError, ClickHouseRejected, ClickHouseUnavailable, StaleClaim, StaleEpoch
from integrity.models import JobKind, RecoveryJob
from integrity.recovery import queue
from integrity.recovery.daysrecovery import DaysRecovery
from integrity.recovery.fill import Stopped, Unsettled
from integrity.recovery.idsrecovery import IdsRecovery
from integrity.recovery.outcome import Done, JobProblem
from integrity.recovery.queue import Progress
from integrity.recovery.tools import Tools

logger = logging.getLogger(__name__)

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
            end = self._end_of(job, pulse.progress, lambda: self._stopping() or pulse.ends)
        finally:
            pulse.stop()
            shutil.rmtree(self._tools.folder / str(job.pk), ignore_errors=True)
        if end is not None:
            end()

    def _end_of(self, job: RecoveryJob, progress: Progress, give_up: Callable[[], bool]) -> Callable[[], object] | None:
        """Run it; what is to be said to the queue, None when the job is not this run's any more."""

        def later(reason: object, seconds: float) -> Callable[[], object]:
            return lambda: queue.put_back(job, progress, str(reason), seconds=seconds)

        run = IdsRecovery if job.kind == JobKind.IDS else DaysRecovery
        try:
            outcome = run(job, self._tools, progress, give_up).run()
        except (Stopped, GaveUp, DownloadGivenUp):
            return lambda: _handed_back(job, progress)
        except Unsettled:
            return lambda: self._revoked(job, progress)
        except StaleClaim:
            logger.warning("%s was given to another worker.", job)
            return None
        except StaleEpoch:
            return later("Its shard changed hands in this moment.", 1.0)
        except Banned as problem:
            return later(problem, 60.0)
        except Blocked as problem:
            return later(problem, 300.0)
        except RateLimited as problem:
            return later(problem, 5.0)
        except (ClickHouseUnavailable, ArchiveUnreachable, FolderUnusable, ExchangeProblem) as problem:
            return later(problem, 15.0)
        except RedisError:
            return later(
                "Valkey does not answer, and without it nobody knows how often the exchange may be asked.", 10.0
            )
        except (JobProblem, ClickHouseRejected) as problem:
            reason = str(problem)
            return lambda: queue.failed(job, progress, reason)
        except DatabaseError:
            raise
        except Exception as error:
            logger.exception("%s failed.", job)
            reason = f"{type(error).__name__}: {error}"
            return lambda: queue.failed(job, progress, reason)
        if isinstance(outcome, Done):
            text = outcome.text
            return lambda: queue.finish(job, progress, text)
        return later(outcome.reason, outcome.seconds)

    def _revoked(self, job: RecoveryJob, progress: Progress) -> None:
        """An insert may still be under way: only when it cannot be any more may anybody look at what is missing."""
        assert job.claim is not None
        try:
            self._tools.store.revoke_claim(job.claim)
        except ClickHouseError as error:
            logger.warning("%s %s stays claimed until its lease has run out.", error, job)
            return
        queue.put_back(job, progress, "ClickHouse did not answer an insert.", seconds=5.0)


def _handed_back(job: RecoveryJob, progress: Progress) -> None:
    if RecoveryJob.objects.filter(pk=job.pk, claim=job.claim, cancel_requested=True).exists():
        queue.cancelled(job, progress)
    else:
        queue.put_back(job, progress, "Its worker stopped; it goes on where it was.", seconds=0.0)


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
