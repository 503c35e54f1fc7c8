"""What a recovery run says to Postgres and asks of it, in one place, so that a run can be driven without Postgres."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from collectors.gaps import Absent, settle, take_up
from collectors.models import UNFINISHED, Gap
from integrity.models import RecoveryJob
from integrity.recovery import queue
from integrity.recovery.queue import Progress


class Ledger(Protocol):
    """Every method raises django.db.Error while Postgres is away."""

    def unfinished_gaps(self, job: RecoveryJob) -> list[Gap]:
        """The gaps that a job is to close, ascending."""

    def take_up(self, gaps: Iterable[Gap]) -> list[Gap]:
        """As collectors.gaps.take_up."""

    def settle(self, gap: Gap, absent: Iterable[Absent], still_missing: bool) -> bool:
        """As collectors.gaps.settle."""

    def is_outranked(self, job: RecoveryJob) -> bool:
        """As queue.is_outranked; the ends of a run likewise."""

    def finish(self, job: RecoveryJob, progress: Progress, text: str) -> bool: ...
    def put_back(self, job: RecoveryJob, progress: Progress, reason: str, *, seconds: float) -> bool: ...
    def failed(self, job: RecoveryJob, progress: Progress, reason: str) -> bool: ...
    def cancelled(self, job: RecoveryJob, progress: Progress) -> bool: ...

    def is_cancelled(self, job: RecoveryJob) -> bool:
        """Whether somebody asked this run to end."""


class PostgresLedger:
    """The real one."""

    take_up = staticmethod(take_up)
    settle = staticmethod(settle)
    is_outranked = staticmethod(queue.is_outranked)
    finish = staticmethod(queue.finish)
    put_back = staticmethod(queue.put_back)
    failed = staticmethod(queue.failed)
    cancelled = staticmethod(queue.cancelled)

    @staticmethod
    def unfinished_gaps(job: RecoveryJob) -> list[Gap]:
        return list(job.gaps.filter(status__in=UNFINISHED).order_by("first_id"))

    @staticmethod
    def is_cancelled(job: RecoveryJob) -> bool:
        return RecoveryJob.objects.filter(pk=job.pk, claim=job.claim, cancel_requested=True).exists()
