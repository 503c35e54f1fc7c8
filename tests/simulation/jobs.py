"""The simulated queue of recovery jobs, as integrity.recovery.queue and gapplan have it in Postgres."""

from __future__ import annotations

import copy
import itertools
from typing import Any

from collectors.gaps import Absent
from collectors.models import UNFINISHED, Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.models import JOB_STATES, UNFINISHED_JOBS, JobKind, JobStatus, RecoveryJob
from integrity.models.jobs import BIG_GAP, BIG_GAP_PRIORITY, GAP_PRIORITY
from integrity.recovery.planner import Missing, clustered, joined
from integrity.recovery.queue import MOST_ATTEMPTS, Progress, pause_after
from tests.simulation.postgres import Postgres
from tests.simulation.world import EPOCH_MS

_SET_ASIDE = (JobStatus.FAILED, JobStatus.CANCELLED)


class Jobs:
    """The queue; it is also what a run says to it (integrity.recovery.ledger.Ledger)."""

    def __init__(self, postgres: Postgres, lease_seconds: float) -> None:
        self._postgres = postgres
        self._world = postgres.world
        self._lease = lease_seconds
        self._numbers = itertools.count(1)
        self.rows: dict[int, RecoveryJob] = {}
        self._gaps: dict[int, list[int]] = {}
        self._due: dict[int, float] = {}
        self._expires: dict[int, float] = {}
        self._cancel: set[int] = set()

    def plan(self) -> int:
        """As gapplan.plan_gaps."""
        return self._postgres.ask("plan", self._plan)

    def claim(self, owner: str) -> RecoveryJob | None:
        """As queue.claim."""
        return self._postgres.ask("claim", lambda: self._claim(owner))

    def heartbeat(self, job: RecoveryJob, progress: Progress) -> bool:
        """As queue.heartbeat."""
        return self._postgres.ask("heartbeat", lambda: self._heartbeat(job))

    def reap(self, store: ClickHouse) -> int:
        """As queue.reap."""
        late = self._postgres.ask("late", self._late)
        taken = 0
        for job in late:
            assert job.claim is not None
            store.revoke_claim(job.claim, shard=job.symbol.shard or 0)
            taken += self.failed(job, Progress(), "Its worker died.")
        return taken

    def unfinished_gaps(self, job: RecoveryJob) -> list[Gap]:
        """As the ledger's."""
        return self._postgres.ask("unfinished_gaps", lambda: self._unfinished(job))

    def take_up(self, gaps: Any) -> list[Gap]:
        """As collectors.gaps.take_up."""
        return self._postgres.take_up(gaps)

    def settle(self, gap: Gap, absent: Any, still_missing: bool) -> bool:
        """As collectors.gaps.settle."""
        parts: list[Absent] = list(absent)
        return self._postgres.settle(gap, parts, still_missing)

    def is_outranked(self, job: RecoveryJob) -> bool:
        """As queue.is_outranked."""
        return self._postgres.ask("is_outranked", lambda: self._outranked(job))

    def finish(self, job: RecoveryJob, progress: Progress, text: str) -> bool:
        """As queue.finish."""
        return self._end(job, JobStatus.DONE, text, attempts=0)

    def put_back(self, job: RecoveryJob, progress: Progress, reason: str, *, seconds: float) -> bool:
        """As queue.put_back."""
        return self._end(job, JobStatus.PENDING, reason, seconds)

    def failed(self, job: RecoveryJob, progress: Progress, reason: str) -> bool:
        """As queue.failed."""
        attempts = job.attempts + 1
        status = JobStatus.FAILED if attempts >= MOST_ATTEMPTS else JobStatus.PENDING
        return self._end(job, status, reason, pause_after(attempts), attempts=attempts)

    def cancelled(self, job: RecoveryJob, progress: Progress) -> bool:
        """As queue.cancelled."""
        return self._end(job, JobStatus.CANCELLED, "cancelled")

    def is_cancelled(self, job: RecoveryJob) -> bool:
        """As the ledger's."""
        return self._postgres.ask("is_cancelled", lambda: job.pk in self._cancel)

    def _plan(self) -> int:
        held = {pk for number, job in self.rows.items() for pk in self._gaps[number] if self._holds(job, pk)}
        waiting = {
            pk: gap for pk, gap in self._postgres.gaps.items() if gap.status == GapStatus.OPEN and pk not in held
        }
        now_ms = EPOCH_MS + int(self._world.now * 1000)
        clusters = clustered(
            Missing(pk, gap.symbol.name, gap.first_id, gap.last_id, gap.after_ms or gap.before_ms or now_ms)
            for pk, gap in waiting.items()
        )
        known = {
            (job.symbol_id, job.first_id, job.last_id): job.pk
            for job in self.rows.values()
            if job.status in UNFINISHED_JOBS
        }
        for cluster in clusters:
            first, last = cluster[0].first_id, max(each.last_id for each in cluster)
            symbol = waiting[cluster[0].key].symbol
            gaps = [each.key for each in cluster]
            number = next(
                (
                    each.pk
                    for each in self.rows.values()
                    if (each.symbol_id, each.first_id, each.last_id) == (symbol.pk, first, last)
                    and each.status in UNFINISHED_JOBS
                ),
                0,
            )
            near = self._near(symbol.pk, (first, last), known) if not number else None
            if near is not None:
                number = near
                self.rows[number].newest_ms = max(self.rows[number].newest_ms, *(each.newest_ms for each in cluster))
            if not number:
                number = next(self._numbers)
                size = sum(waiting[pk].size for pk in gaps)
                self.rows[number] = RecoveryJob(
                    pk=number,
                    symbol=symbol,
                    kind=JobKind.IDS,
                    first_id=first,
                    last_id=last,
                    newest_ms=max(each.newest_ms for each in cluster),
                    priority=BIG_GAP_PRIORITY if size > BIG_GAP else GAP_PRIORITY,
                    status=JobStatus.PENDING,
                )
                self._gaps[number], self._due[number] = [], self._world.now
            self._gaps[number] = sorted({*self._gaps[number], *gaps})
        return len(clusters)

    def _holds(self, job: RecoveryJob, gap: int) -> bool:
        if job.status in UNFINISHED_JOBS:
            return True
        assert job.last_id is not None
        return job.status in _SET_ASIDE and job.last_id >= self._postgres.gaps[gap].last_id

    def _near(
        self, symbol: int, ids: tuple[int, int], known: dict[tuple[int, int | None, int | None], int]
    ) -> int | None:
        """The waiting job of `known` (those that were there before) that these ids were added to."""
        before = [self.rows[pk] for pk in {*known.values()}]
        for job in sorted(before, key=lambda each: (each.first_id or 0, each.pk)):
            waits = job.status == JobStatus.PENDING and self._due[job.pk] <= self._world.now
            if job.symbol_id == symbol and waits and job.priority == GAP_PRIORITY:
                assert job.first_id is not None
                assert job.last_id is not None
                both = joined((job.first_id, job.last_id), ids, most=BIG_GAP)
                if both is not None and known.get((symbol, *both), job.pk) == job.pk:
                    job.first_id, job.last_id = both
                    known[symbol, *both] = job.pk
                    return job.pk
        return None

    def _claim(self, owner: str) -> RecoveryJob | None:
        busy = {job.symbol_id for job in self.rows.values() if job.status == JobStatus.RUNNING}
        waiting = [
            job
            for job in self.rows.values()
            if job.status == JobStatus.PENDING and self._due[job.pk] <= self._world.now and job.symbol_id not in busy
        ]
        if not waiting:
            return None
        job = min(waiting, key=lambda each: (-each.priority, -each.newest_ms, each.pk))
        job.status, job.claim, job.owner = JobStatus.RUNNING, self._world.chance.randrange(1, 2**62), owner
        self._expires[job.pk] = self._world.now + self._lease
        self._world.note("job", job.pk, job.symbol.name, job.first_id, job.last_id, "taken by", owner, job.claim)
        return copy.copy(job)

    def _mine(self, job: RecoveryJob) -> RecoveryJob | None:
        row = self.rows[job.pk]
        return row if row.status == JobStatus.RUNNING and row.claim == job.claim else None

    def _heartbeat(self, job: RecoveryJob) -> bool:
        if self._mine(job) is None:
            return False
        self._expires[job.pk] = self._world.now + self._lease
        return job.pk not in self._cancel

    def _late(self) -> list[RecoveryJob]:
        return [
            copy.copy(job)
            for job in self.rows.values()
            if job.status == JobStatus.RUNNING and self._expires[job.pk] < self._world.now
        ]

    def _unfinished(self, job: RecoveryJob) -> list[Gap]:
        gaps = [self._postgres.gaps[pk] for pk in self._gaps[job.pk]]
        found = [gap for gap in gaps if gap.status in UNFINISHED]
        return self._postgres.copies(sorted(found, key=lambda gap: gap.first_id))

    def _outranked(self, job: RecoveryJob) -> bool:
        busy = {each.symbol_id for each in self.rows.values() if each.status == JobStatus.RUNNING and each.pk != job.pk}
        return any(
            each.status == JobStatus.PENDING
            and each.priority > job.priority
            and self._due[each.pk] <= self._world.now
            and each.symbol_id not in busy
            for each in self.rows.values()
        )

    def _end(self, job: RecoveryJob, status: JobStatus, text: str, seconds: float = 0.0, **fields: Any) -> bool:
        JOB_STATES.check(JobStatus.RUNNING, status)
        return self._postgres.ask(f"job {status}", lambda: self._ended(job, status, text, seconds, fields))

    def _ended(self, job: RecoveryJob, status: JobStatus, text: str, seconds: float, fields: dict[str, Any]) -> bool:
        row = self._mine(job)
        if row is None:
            return False
        self._world.note("job", job.pk, str(status), text)
        row.status, row.claim, row.owner = status, None, ""
        for name, value in fields.items():
            setattr(row, name, value)
        self._due[job.pk] = self._world.now + seconds
        for pk in self._gaps[job.pk]:
            if self._postgres.gaps[pk].status == GapStatus.RECOVERING:
                self._postgres.gaps[pk].status = GapStatus.OPEN
        return True
