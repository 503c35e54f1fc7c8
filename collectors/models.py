"""What Postgres keeps about collection: contracts, who collects which shard, and what is known to be missing."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q

from dataprovider.clickhouse.shards import SHARD_COUNT, shard_of
from dataprovider.states import StateMachine


class SymbolStatus(models.TextChoices):
    """The exchange's own states (exchangeInfo `status`), and ours for a contract it no longer lists."""

    TRADING = "TRADING", "trading"
    PENDING_TRADING = "PENDING_TRADING", "not yet trading"
    SETTLING = "SETTLING", "settling"
    DELISTED = "DELISTED", "no longer listed"
    OTHER = "OTHER", "another state"


class Symbol(models.Model):
    """One contract. A ticker may be used again, so a contract is its name and the day it was listed."""

    name = models.CharField(max_length=64, db_index=True)
    onboard_date = models.DateTimeField(help_text="When the exchange listed it (UTC).")
    delivery_date = models.DateTimeField(null=True, blank=True, help_text="Empty for a perpetual contract.")
    contract_type = models.CharField(max_length=40)
    status = models.CharField(max_length=20, choices=SymbolStatus.choices)
    pair = models.CharField(max_length=64, blank=True)
    base_asset = models.CharField(max_length=64, blank=True)
    quote_asset = models.CharField(max_length=32, blank=True)
    tick_size = models.CharField(max_length=24, blank=True)
    step_size = models.CharField(max_length=24, blank=True)
    info = models.JSONField(
        default=dict, blank=True, editable=False, help_text="The exchange's own entry of exchangeInfo."
    )
    shard = models.PositiveSmallIntegerField(editable=False)
    enabled = models.BooleanField(default=True, help_text="Collect its trades. Takes effect while running.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "-onboard_date"]
        constraints = [
            models.UniqueConstraint(fields=["name", "onboard_date"], name="symbol_is_name_and_onboard_date"),
            models.CheckConstraint(condition=Q(shard__lt=SHARD_COUNT), name="symbol_shard_in_range"),
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.shard = shard_of(self.name)
        super().save(*args, **kwargs)


class CollectorHost(models.Model):
    """A running supervisor. The shards are shared among those whose heartbeat is fresh."""

    owner = models.CharField(max_length=120, primary_key=True)
    hostname = models.CharField(max_length=120)
    pid = models.PositiveIntegerField()
    workers = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()

    class Meta:
        ordering = ["hostname", "pid"]
        verbose_name = "collector host"

    def __str__(self) -> str:
        return self.owner


class ShardLease(models.Model):
    """Who may write a shard, until when, and under which epoch. The epoch only ever grows."""

    shard = models.PositiveSmallIntegerField(primary_key=True)
    owner = models.CharField(max_length=120, blank=True)
    worker = models.PositiveSmallIntegerField(null=True, blank=True)
    pid = models.PositiveIntegerField(null=True, blank=True)
    epoch = models.PositiveBigIntegerField(default=0)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    moving_until = models.DateTimeField(
        null=True, blank=True, help_text="Until then nobody but `manage.py rebalance` may take it."
    )

    class Meta:
        ordering = ["shard"]
        verbose_name = "shard"
        constraints = [models.CheckConstraint(condition=Q(shard__lt=SHARD_COUNT), name="lease_shard_in_range")]

    def __str__(self) -> str:
        return f"shard {self.shard}"


class GapStatus(models.TextChoices):
    """What became of a gap; GAP_STATES says which may follow which."""

    OPEN = "open", "open"
    RECOVERING = "recovering", "recovering"
    RECOVERED = "recovered", "recovered"
    ABSENT_UPSTREAM = "absent_upstream", "absent upstream"


GAP_STATES = StateMachine(
    "gap",
    {
        # A job took it up; a check found its trades in the table; a person accepted that the exchange lacks them.
        GapStatus.OPEN: [GapStatus.RECOVERING, GapStatus.RECOVERED, GapStatus.ABSENT_UPSTREAM],
        # Stored and read again; proved absent; or the job failed, waits or was cancelled: open again.
        GapStatus.RECOVERING: [GapStatus.RECOVERED, GapStatus.ABSENT_UPSTREAM, GapStatus.OPEN],
        # What was lost again after its recovery is a new gap.
        GapStatus.RECOVERED: [],
        # The exchange may publish later what it lacked: asked again, or found in a replaced archive.
        GapStatus.ABSENT_UPSTREAM: [GapStatus.OPEN, GapStatus.RECOVERED],
    },
)

#: Gaps whose trades are still to be fetched.
UNFINISHED = (GapStatus.OPEN, GapStatus.RECOVERING)


class GapCause(models.TextChoices):
    """What had happened when the ids did not continue."""

    STREAM = "stream", "ids skipped inside a connection"
    RECONNECT = "reconnect", "a connection was lost"
    RESTART = "restart", "not collected in between"
    UNCLEAN_STOP = "unclean_stop", "missing when its shard was taken over"
    SPOOL_FULL = "spool_full", "the spool on disk was full"
    REFUSED = "refused", "ClickHouse refused the batch"
    CHECK = "check", "found by an integrity check"


class Gap(models.Model):
    """Aggregate ids of one contract that are not stored: first_id to last_id, both included."""

    symbol = models.ForeignKey(Symbol, on_delete=models.PROTECT, related_name="gaps")
    first_id = models.PositiveBigIntegerField()
    last_id = models.PositiveBigIntegerField()
    before_ms = models.BigIntegerField(null=True, blank=True, help_text="Time of the trade before it (ms, UTC).")
    after_ms = models.BigIntegerField(null=True, blank=True, help_text="Time of the trade after it (ms, UTC).")
    cause = models.CharField(max_length=20, choices=GapCause.choices)
    status = models.CharField(max_length=20, choices=GapStatus.choices, default=GapStatus.OPEN)
    evidence = models.JSONField(default=dict, blank=True)
    opened_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [
            models.Index(fields=["status", "symbol"], name="gap_by_status"),
            # Live charts ask every second what was closed lately; closed gaps are kept for ever.
            models.Index(
                fields=["updated_at"], name="gap_closed_lately", condition=models.Q(status=GapStatus.RECOVERED)
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "first_id", "last_id"],
                condition=Q(status__in=UNFINISHED),
                name="unfinished_gap_is_its_range",
            ),
            models.CheckConstraint(condition=Q(first_id__lte=F("last_id")), name="gap_first_before_last"),
            models.CheckConstraint(condition=Q(status__in=GapStatus.values), name="gap_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.first_id}–{self.last_id}"

    @property
    def size(self) -> int:
        """How many ids are missing."""
        return self.last_id - self.first_id + 1


class BoundaryVerdict(models.TextChoices):
    """What a boundary turned out to be (collectors.continuity.Verdict)."""

    FIRST = "first", "the first trade here"
    CONTIGUOUS = "contiguous", "nothing missing"
    OVERLAP = "overlap", "seen before"
    GAP = "gap", "ids missing in between"


class StreamBoundary(models.Model):
    """One connect, reconnect or start of one symbol: the last id before, the first id after, and what that means."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="boundaries")
    cause = models.CharField(max_length=20, choices=GapCause.choices)
    last_before = models.PositiveBigIntegerField(null=True, blank=True, help_text="Empty: nothing was stored before.")
    first_after = models.PositiveBigIntegerField()
    verdict = models.CharField(max_length=20, choices=BoundaryVerdict.choices)
    at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "stream boundaries"
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=BoundaryVerdict.values), name="boundary_verdict_known")
        ]

    def __str__(self) -> str:
        return f"{self.symbol}: {self.verdict}"
