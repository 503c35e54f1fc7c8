"""The queue of recovery jobs in Postgres: who works on what, for how long, and what becomes of it.

Every change is a compare-and-set on the state the caller believes in; times are Postgres' own, so hosts need not agree
on the clock. Every function raises django.db.Error while Postgres is away.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone

from collectors.models import Gap, GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse, ClickHouseError
from dataprovider.clickhouse.shards import shard_of
from integrity.models import JOB_STATES, UNFINISHED_JOBS, JobEvent, JobKind, JobStatus, RecoveryJob, Source
from integrity.models.jobs import BACKFILL_PRIORITY, BIG_GAP, BIG_GAP_PRIORITY, GAP_PRIORITY
from integrity.recovery.planner import joined, start_of

#: A worker that has not been heard of for so long loses its job.
LEASE_SECONDS = 20
#: A job that failed so often in a row is set aside.
MOST_ATTEMPTS = 8
#: The pause after the first failure (seconds); it doubles with each, up to an hour.
FIRST_PAUSE = 5.0
MOST_PAUSE = 3600.0

_LEASE = timedelta(seconds=LEASE_SECONDS)


@dataclass(slots=True)
class Progress:
    """How far a run is; written by the run, saved by its heartbeat."""

    rows_read: int = 0
    rows_stored: int = 0
    units_done: int = 0
    units_total: int = 0
    position: str = ""
    result: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, job: RecoveryJob) -> Progress:
        """Where the job was left."""
        return cls(job.rows_read, job.rows_stored, job.units_done, job.units_total, job.position, dict(job.result))

    def fields(self) -> dict[str, Any]:
        """As fields of the job."""
        return {
            "rows_read": self.rows_read,
            "rows_stored": self.rows_stored,
            "units_done": self.units_done,
            "units_total": self.units_total,
            "position": self.position,
            "result": dict(self.result),
        }


def add_ids_job(symbol: Symbol, first_id: int, last_id: int, gaps: Iterable[Gap], *, newest_ms: int) -> RecoveryJob:
    """A job for gaps of one symbol, all within first_id..last_id; the unfinished one of this range if there is one."""
    add_ids_jobs([(symbol, first_id, last_id, list(gaps), newest_ms)], join=False)
    return RecoveryJob.objects.get(symbol=symbol, first_id=first_id, last_id=last_id, status__in=UNFINISHED_JOBS)


def add_ids_jobs(wanted: Sequence[tuple[Symbol, int, int, Sequence[Gap], int]], *, join: bool = True) -> None:
    """The same for many at once: symbol, first id, last id, gaps, newest time (ms) of each.

    `join`: what lies near the gaps of a job that is due and that nobody has taken yet goes with that one.
    """
    with transaction.atomic():
        unfinished = RecoveryJob.objects.filter(
            symbol__in={symbol for symbol, *_ in wanted},
            kind=JobKind.IDS,
            source=Source.AUTO,
            status__in=UNFINISHED_JOBS,
        )
        known = {(job.symbol_id, job.first_id, job.last_id): job for job in unfinished}
        untaken = unfinished.select_for_update(skip_locked=True, of=("self",)).filter(
            status=JobStatus.PENDING, priority=GAP_PRIORITY, next_attempt_at__lte=Now()
        )
        due: dict[int, list[RecoveryJob]] = {}
        for each in untaken.order_by("first_id", "id") if join else ():
            due.setdefault(each.symbol_id, []).append(each)
        made: list[RecoveryJob] = []
        grown: dict[int, RecoveryJob] = {}
        links: list[tuple[RecoveryJob, Gap]] = []
        for symbol, first_id, last_id, gaps, newest_ms in wanted:
            job = known.get((symbol.pk, first_id, last_id))
            if job is None:
                job = _grow(due.get(symbol.pk, ()), known, first_id, last_id, newest_ms)
                if job is not None:
                    grown[job.pk] = job
            if job is None:
                job = RecoveryJob(
                    symbol=symbol,
                    kind=JobKind.IDS,
                    first_id=first_id,
                    last_id=last_id,
                    newest_ms=newest_ms,
                    priority=BIG_GAP_PRIORITY if sum(gap.size for gap in gaps) > BIG_GAP else GAP_PRIORITY,
                    units_total=last_id - first_id + 1,
                    next_attempt_at=timezone.now(),
                )
                made.append(job)
            links += [(job, gap) for gap in gaps]
        RecoveryJob.objects.bulk_update(grown.values(), ["first_id", "last_id", "newest_ms", "units_total"])
        RecoveryJob.objects.bulk_create(made)
        # What is due is judged by Postgres' clock alone.
        RecoveryJob.objects.filter(pk__in=[job.pk for job in made]).update(next_attempt_at=Now())
        through = RecoveryJob.gaps.through
        through.objects.bulk_create(
            [through(recoveryjob_id=job.pk, gap_id=gap.pk) for job, gap in links], ignore_conflicts=True
        )
        JobEvent.objects.bulk_create(
            [JobEvent(job=job, status=JobStatus.PENDING, text="A gap is to be filled.") for job in made]
        )


def _grow(
    jobs: Iterable[RecoveryJob],
    known: dict[tuple[int, int | None, int | None], RecoveryJob],
    first_id: int,
    last_id: int,
    newest_ms: int,
) -> RecoveryJob | None:
    """The job that these ids were added to, if one of `jobs` is near; `known` has it under its new range, too."""
    for job in jobs:
        assert job.first_id is not None
        assert job.last_id is not None
        both = joined((job.first_id, job.last_id), (first_id, last_id), most=BIG_GAP)
        if both is None or known.get((job.symbol_id, *both), job).pk != job.pk:
            continue
        job.first_id, job.last_id = both
        job.newest_ms = max(job.newest_ms, newest_ms)
        job.units_total = job.last_id - job.first_id + 1
        known[job.symbol_id, *both] = job
        return job
    return None


def add_days_job(
    symbol: Symbol, first_day: date, last_day: date, *, source: str, batch: str, priority: int = BACKFILL_PRIORITY
) -> tuple[RecoveryJob, bool]:
    """A job for whole days (both included), and whether it is new; the unfinished one of this range if there is one."""
    newest_ms = start_of(last_day)
    with transaction.atomic():
        job, made = RecoveryJob.objects.get_or_create(
            symbol=symbol,
            kind=JobKind.DAYS,
            first_day=first_day,
            last_day=last_day,
            source=source,
            status__in=UNFINISHED_JOBS,
            defaults={
                "status": JobStatus.PENDING,
                "priority": priority,
                "newest_ms": newest_ms,
                "units_total": (last_day - first_day).days + 1,
                "next_attempt_at": Now(),
                "batch": batch,
            },
        )
        if made:
            JobEvent.objects.create(job=job, status=JobStatus.PENDING, text="History was asked for.")
    return job, made


def claim(owner: str, *, batch: str | None = None) -> RecoveryJob | None:
    """Take the job whose turn it is (only of `batch`, when given); None when there is none, or another was quicker.

    Highest priority first, then the newest trades. Never a second job of a symbol that has one running.
    """
    running = RecoveryJob.objects.filter(status=JobStatus.RUNNING).values("symbol_id")
    try:
        with transaction.atomic():
            waiting = RecoveryJob.objects.select_for_update(skip_locked=True, of=("self",)).filter(
                status=JobStatus.PENDING, next_attempt_at__lte=Now()
            )
            if batch is not None:
                waiting = waiting.filter(batch=batch)
            job = waiting.exclude(symbol_id__in=running).order_by("-priority", "-newest_ms", "id").first()
            if job is None:
                return None
            RecoveryJob.objects.filter(pk=job.pk, status=JobStatus.PENDING).update(
                status=JobStatus.RUNNING,
                claim=random.SystemRandom().randrange(1, 2**62),
                owner=owner,
                heartbeat_at=Now(),
                lease_expires_at=Now() + _LEASE,
                started_at=Coalesce(F("started_at"), Now()),
                reason="",
            )
            JobEvent.objects.create(job=job, status=JobStatus.RUNNING, text=f"Taken by {owner}.")
    except IntegrityError:
        # Another worker took another job of the same symbol in this moment.
        return None
    return RecoveryJob.objects.select_related("symbol").get(pk=job.pk)


def heartbeat(job: RecoveryJob, progress: Progress) -> bool:
    """Keep the lease and save the progress; False when the run is to end: it was cancelled, or lost its claim."""
    mine = RecoveryJob.objects.filter(pk=job.pk, status=JobStatus.RUNNING, claim=job.claim)
    kept = mine.update(heartbeat_at=Now(), lease_expires_at=Now() + _LEASE, **progress.fields())
    return bool(kept) and not mine.filter(cancel_requested=True).exists()


def finish(job: RecoveryJob, progress: Progress, text: str) -> bool:
    """The job is done; whether it was still this run's. Gaps that its days may have filled are looked at at once."""
    with transaction.atomic():
        done = _end(job, JobStatus.DONE, text, **progress.fields(), attempts=0, finished_at=Now(), reason="")
        if done and job.kind == JobKind.DAYS and progress.rows_stored:
            assert job.first_day is not None
            RecoveryJob.objects.filter(
                symbol=job.symbol_id,
                kind=JobKind.IDS,
                status=JobStatus.PENDING,
                next_attempt_at__gt=Now(),
                newest_ms__gte=start_of(job.first_day),
            ).update(next_attempt_at=Now())
    return done


def put_back(job: RecoveryJob, progress: Progress, reason: str, *, seconds: float) -> bool:
    """Something outside is missing (an archive that is late, a service): wait and go on; no failure of the job."""
    return _end(
        job,
        JobStatus.PENDING,
        reason,
        **progress.fields(),
        reason=reason,
        next_attempt_at=Now() + timedelta(seconds=seconds),
    )


def failed(job: RecoveryJob, progress: Progress, reason: str) -> bool:
    """An attempt failed: try again after a pause that grows, or set the job aside when that was the last attempt."""
    attempts = job.attempts + 1
    if attempts >= MOST_ATTEMPTS:
        return _end(
            job, JobStatus.FAILED, reason, **progress.fields(), attempts=attempts, reason=reason, finished_at=Now()
        )
    pause = timedelta(seconds=pause_after(attempts))
    return _end(
        job,
        JobStatus.PENDING,
        reason,
        **progress.fields(),
        attempts=attempts,
        reason=reason,
        next_attempt_at=Now() + pause,
    )


def cancelled(job: RecoveryJob, progress: Progress) -> bool:
    """The run ended because it was asked to."""
    return _end(
        job,
        JobStatus.CANCELLED,
        "Cancelled while it ran.",
        **progress.fields(),
        cancel_requested=False,
        finished_at=Now(),
        reason="",
    )


def cancel(job: RecoveryJob) -> bool:
    """Cancel a waiting job now, a running one within a few seconds; whether there was something to cancel."""
    with transaction.atomic():
        done = RecoveryJob.objects.filter(pk=job.pk, status=JobStatus.PENDING).update(
            status=JobStatus.CANCELLED, finished_at=Now(), reason=""
        )
        if done:
            JobEvent.objects.create(job=job, status=JobStatus.CANCELLED, text="Cancelled while it waited.")
            return True
        return bool(RecoveryJob.objects.filter(pk=job.pk, status=JobStatus.RUNNING).update(cancel_requested=True))


def retry(job: RecoveryJob) -> bool:
    """Try a job that was set aside or cancelled again, or a waiting one at once; whether that could be done."""
    again = JOB_STATES.before(JobStatus.PENDING)
    with transaction.atomic():
        done = (
            RecoveryJob.objects.filter(pk=job.pk)
            .filter(Q(status__in=[each for each in again if each != JobStatus.RUNNING]) | Q(status=JobStatus.PENDING))
            .update(
                status=JobStatus.PENDING,
                attempts=0,
                next_attempt_at=Now(),
                reason="",
                finished_at=None,
                cancel_requested=False,
            )
        )
        if done:
            JobEvent.objects.create(job=job, status=JobStatus.PENDING, text="To be tried again.")
    return bool(done)


def reap(store: ClickHouse) -> int:
    """Take jobs from workers that stalled or died; how many. What such a worker still has under way is shut out first.

    Raises ClickHouseError when some could not be taken, after the others: call again later.
    """
    taken = 0
    failure: ClickHouseError | None = None
    dead = RecoveryJob.objects.filter(status=JobStatus.RUNNING, lease_expires_at__lt=Now()).select_related("symbol")
    for job in dead:
        assert job.claim is not None
        try:
            store.revoke_claim(job.claim, shard=shard_of(job.symbol.name))
        except ClickHouseError as error:
            failure = failure or error
            continue
        progress = Progress.of(job)
        if job.cancel_requested:
            taken += cancelled(job, progress)
        else:
            taken += failed(job, progress, f"Its worker ({job.owner}) died or was silent for {LEASE_SECONDS} s.")
    if failure is not None:
        raise failure
    return taken


def is_outranked(job: RecoveryJob) -> bool:
    """Whether a more important job waits that a worker could take, were it not for running ones."""
    running = RecoveryJob.objects.filter(status=JobStatus.RUNNING).exclude(pk=job.pk).values("symbol_id")
    waiting = RecoveryJob.objects.filter(
        status=JobStatus.PENDING, priority__gt=job.priority, next_attempt_at__lte=Now()
    )
    return waiting.exclude(symbol_id__in=running).exists()


def pause_after(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    return float(min(MOST_PAUSE, FIRST_PAUSE * 2 ** min(failures - 1, 20)))


def _end(job: RecoveryJob, status: JobStatus, text: str, **fields: Any) -> bool:
    JOB_STATES.check(JobStatus.RUNNING, status)
    with transaction.atomic():
        done = RecoveryJob.objects.filter(pk=job.pk, status=JobStatus.RUNNING, claim=job.claim).update(
            status=status, claim=None, owner="", lease_expires_at=None, **fields
        )
        if done:
            JobEvent.objects.create(job=job, status=status, text=text)
            # Settled ones are recovered or absent by now; the others wait again.
            Gap.objects.filter(recovery_jobs=job, status=GapStatus.RECOVERING).update(status=GapStatus.OPEN)
    return bool(done)
