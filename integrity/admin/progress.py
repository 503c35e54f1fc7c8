"""How far a job is, as its page, the list and the script that keeps them moving show it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from integrity.admin.shapes import duration
from integrity.models import UNFINISHED_JOBS, JobStatus, RecoveryJob

#: What a field of a job that changes while it is looked at is marked with, for the script.
_MARK = '<span data-job="{}" data-field="{}">{}</span>'


@dataclass(frozen=True, slots=True)
class Standing:
    """A job at one moment. done, total: ids or days; time: how long it still takes or waits, for people."""

    id: int
    symbol: str
    range: str
    status: str
    done: float
    total: int
    position: str
    time: str
    rows_stored: str
    reason: str
    over: bool

    @classmethod
    def of(cls, job: RecoveryJob) -> Standing:
        """As its row says."""
        running = job.status == JobStatus.RUNNING
        done = job.units_done + (float(job.result.get("part_of_day", 0)) if running else 0.0)
        return cls(
            id=job.pk,
            symbol=job.symbol.name,
            range=job.range,
            status=job.get_status_display(),
            done=round(done, 3) if done % 1 else int(done),
            total=max(job.units_total, 1),
            position=f"at {job.position}" if running and job.position else "",
            time=_time(job, done),
            rows_stored=f"{job.rows_stored:,}",
            reason=job.reason,
            over=job.status not in UNFINISHED_JOBS,
        )

    @property
    def percent(self) -> int:
        """How much of it is done."""
        return min(100, round(100 * self.done / self.total))

    def bar(self) -> SafeString:
        """The bar, which a screen reader can read, too, and where it is."""
        bar = '<progress class="job" data-job="{}" value="{}" max="{}" aria-label="progress of {}">{} %</progress> '
        return format_html(bar, self.id, self.done, self.total, self.symbol, self.percent) + self.mark(
            "percent", f"{self.percent} %"
        )

    def mark(self, field: str, text: object) -> SafeString:
        """A text that the script replaces."""
        return format_html(_MARK, self.id, field, text)

    def as_json(self) -> dict[str, object]:
        """What the script asks for: the bar's numbers and the text of each field."""
        return {
            "done": self.done,
            "total": self.total,
            "over": self.over,
            "fields": {
                "status": self.status,
                "percent": f"{self.percent} %",
                "position": self.position,
                "time": self.time,
                "rows_stored": self.rows_stored,
                "reason": self.reason,
            },
        }


def _time(job: RecoveryJob, done: float) -> str:
    now = timezone.now()
    if job.status == JobStatus.PENDING and job.next_attempt_at > now:
        return f"in {duration((job.next_attempt_at - now).total_seconds())}"
    if job.status != JobStatus.RUNNING or not done or job.started_at is None:
        return "–"
    passed = (now - job.started_at).total_seconds()
    return f"{duration(passed * (job.units_total - done) / done)} left"
