"""Recovery jobs: what is to be fetched, who is at it, and how far it is."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from collectors.models import Gap, Symbol
from dataprovider.states import StateMachine


class JobKind(models.TextChoices):
    """What a job names: a range of aggregate ids, or whole days (UTC)."""

    IDS = "ids", "ids"
    DAYS = "days", "days"


class Source(models.TextChoices):
    """Where the trades are to come from."""

    AUTO = "auto", "whichever has them"
    REST = "rest", "REST"
    ARCHIVE = "archive", "archive"


class JobStatus(models.TextChoices):
    """How a job stands; JOB_STATES says which may follow which."""

    PENDING = "pending", "waiting"
    RUNNING = "running", "running"
    DONE = "done", "done"
    FAILED = "failed", "set aside"
    CANCELLED = "cancelled", "cancelled"


JOB_STATES = StateMachine(
    "recovery job",
    {
        # A worker claims it; a person cancels it.
        JobStatus.PENDING: [JobStatus.RUNNING, JobStatus.CANCELLED],
        # Finished; handed back, to be tried later or by another after its worker stalled; failed too often; cancelled.
        JobStatus.RUNNING: [JobStatus.DONE, JobStatus.PENDING, JobStatus.FAILED, JobStatus.CANCELLED],
        JobStatus.DONE: [],
        # A person wants it tried again.
        JobStatus.FAILED: [JobStatus.PENDING],
        JobStatus.CANCELLED: [JobStatus.PENDING],
    },
)

UNFINISHED_JOBS = (JobStatus.PENDING, JobStatus.RUNNING)

#: Higher goes first. A gap of many pages makes room for small ones, which cost a request each.
GAP_PRIORITY = 100
BIG_GAP_PRIORITY = 50
BIG_GAP = 10_000
#: What a person asked for.
NOW_PRIORITY = 200
BACKFILL_PRIORITY = 10


class RecoveryJob(models.Model):
    """Trades of one contract to be fetched. At most one job of a contract runs at a time."""

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="recovery_jobs")
    kind = models.CharField(max_length=10, choices=JobKind.choices)
    first_id = models.PositiveBigIntegerField(null=True, blank=True)
    last_id = models.PositiveBigIntegerField(null=True, blank=True)
    first_day = models.DateField(null=True, blank=True)
    last_day = models.DateField(null=True, blank=True, help_text="Included.")
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.AUTO)
    priority = models.SmallIntegerField(default=GAP_PRIORITY, help_text="Higher goes first.")
    newest_ms = models.BigIntegerField(default=0, help_text="Newest time of what is missing (ms): newest first.")
    batch = models.CharField(max_length=64, blank=True, db_index=True, help_text="Jobs that were asked for together.")
    gaps = models.ManyToManyField(Gap, blank=True, related_name="recovery_jobs")

    status = models.CharField(max_length=10, choices=JobStatus.choices, default=JobStatus.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Failures in a row.")
    next_attempt_at = models.DateTimeField(db_index=True)
    reason = models.TextField(blank=True, help_text="Why it waits, or was set aside.")
    cancel_requested = models.BooleanField(default=False)

    claim = models.BigIntegerField(null=True, blank=True, help_text="Names this run in ClickHouse.")
    owner = models.CharField(max_length=160, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)

    rows_read = models.PositiveBigIntegerField(default=0, help_text="Trades the source gave.")
    rows_stored = models.PositiveBigIntegerField(default=0, help_text="Trades that were missing and are stored now.")
    units_done = models.PositiveBigIntegerField(default=0, help_text="Ids or days behind it.")
    units_total = models.PositiveBigIntegerField(default=0, help_text="Ids or days in all.")
    position = models.CharField(max_length=40, blank=True, help_text="The id or the day it is at.")
    result = models.JSONField(default=dict, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-priority", "-newest_ms", "id"]
        indexes = [models.Index(fields=["status", "-priority", "-newest_ms"], name="job_by_turn")]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=JobStatus.values), name="job_status_known"),
            models.CheckConstraint(
                condition=Q(kind=JobKind.IDS, first_id__lte=F("last_id"), first_day__isnull=True)
                | Q(kind=JobKind.DAYS, first_day__lte=F("last_day"), first_id__isnull=True),
                name="job_has_the_range_of_its_kind",
            ),
            models.CheckConstraint(
                condition=Q(status=JobStatus.RUNNING, claim__isnull=False, lease_expires_at__isnull=False)
                | (~Q(status=JobStatus.RUNNING) & Q(claim__isnull=True, lease_expires_at__isnull=True)),
                name="job_is_claimed_while_it_runs",
            ),
            # Two that fill the same holes at once would store the same trades twice.
            models.UniqueConstraint(
                fields=["symbol"], condition=Q(status=JobStatus.RUNNING), name="one_running_job_a_symbol"
            ),
            models.UniqueConstraint(
                fields=["symbol", "first_id", "last_id", "source"],
                condition=Q(kind=JobKind.IDS, status__in=UNFINISHED_JOBS),
                name="unfinished_ids_job_is_its_range",
            ),
            models.UniqueConstraint(
                fields=["symbol", "first_day", "last_day", "source"],
                condition=Q(kind=JobKind.DAYS, status__in=UNFINISHED_JOBS),
                name="unfinished_days_job_is_its_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.range}"

    @property
    def range(self) -> str:
        """What it is to fetch, for people."""
        if self.kind == JobKind.IDS:
            return f"{self.first_id}–{self.last_id}"
        return f"{self.first_day}" if self.first_day == self.last_day else f"{self.first_day} to {self.last_day}"


class JobEvent(models.Model):
    """Something that happened to a job."""

    job = models.ForeignKey(RecoveryJob, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(auto_now_add=True)
    status = models.CharField(max_length=10, choices=JobStatus.choices)
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.status}: {self.text}"


class Duty(models.Model):
    """Something that one process at a time does for all hosts; who does it now, and until when unless renewed."""

    name = models.CharField(max_length=40, primary_key=True)
    owner = models.CharField(max_length=160)
    expires_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "duties"

    def __str__(self) -> str:
        return self.name
