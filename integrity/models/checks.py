"""What integrity checks found: per symbol and month, and how far each symbol can be trusted."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from collectors.models import Symbol


class CheckResult(models.TextChoices):
    """What is known of a month of a symbol."""

    PROVED = "proved", "proved"
    #: What is stored of the month so far, or of a month that history begins in, has no hole.
    CONTIGUOUS = "contiguous", "no hole so far"
    HOLES = "holes", "ids are missing"
    DUPLICATES = "duplicates", "trades are stored twice"


class MonthCheck(models.Model):
    """One calendar month (UTC) of one symbol, as it was when last looked at; what is unchanged is not written."""

    symbol = models.ForeignKey(Symbol, on_delete=models.CASCADE, related_name="month_checks")
    month = models.DateField(help_text="Its first day.")
    result = models.CharField(max_length=12, choices=CheckResult.choices)
    rows = models.PositiveBigIntegerField()
    first_id = models.PositiveBigIntegerField()
    last_id = models.PositiveBigIntegerField()
    missing = models.PositiveBigIntegerField(default=0, help_text="Ids that are missing and not known to be absent.")
    duplicates = models.PositiveBigIntegerField(default=0, help_text="Rows beyond the first of the same trade.")
    absent = models.PositiveBigIntegerField(default=0, help_text="Ids the exchange itself does not have.")
    twins = models.PositiveBigIntegerField(default=0, help_text="Different trades under an id that was used before.")
    fingerprint = models.CharField(max_length=20, help_text="Of the month's rows, in any order (mod 2^64).")
    proved_days = models.PositiveSmallIntegerField(default=0, help_text="How many of its days were proved row by row.")
    proved_fingerprint = models.CharField(max_length=20, blank=True, help_text="Of these days.")
    runs = models.JSONField(
        default=list,
        blank=True,
        help_text="Of these days: the runs of stored ids, each [first id, last id, rows, different trades].",
    )
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ["symbol__name", "-month"]
        constraints = [
            models.UniqueConstraint(fields=["symbol", "month"], name="month_check_once"),
            models.CheckConstraint(condition=Q(result__in=CheckResult.values), name="check_result_known"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.month:%Y-%m}: {self.result}"


class SymbolTrust(models.Model):
    """The trust point of a symbol: every id from first_id to trust_id is stored, or proved absent upstream."""

    symbol = models.OneToOneField(Symbol, on_delete=models.CASCADE, primary_key=True, related_name="trust")
    first_id = models.PositiveBigIntegerField()
    first_ms = models.BigIntegerField()
    last_id = models.PositiveBigIntegerField()
    last_ms = models.BigIntegerField()
    trust_id = models.PositiveBigIntegerField()
    trust_ms = models.BigIntegerField()
    rows = models.PositiveBigIntegerField()
    missing = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    absent = models.PositiveBigIntegerField(default=0)
    origin = models.JSONField(
        default=dict, blank=True, help_text="Why nothing comes before first_id; empty: not known to be the beginning."
    )
    checked_at = models.DateTimeField()

    class Meta:
        ordering = ["symbol__name"]
        verbose_name = "trust point"

    def __str__(self) -> str:
        return f"{self.symbol}: {self.trust_id}"


class IntegrityRun(models.Model):
    """One round over all symbols."""

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    symbols = models.PositiveIntegerField(default=0)
    months_read = models.PositiveIntegerField(default=0, help_text="Months that were not proved before, or changed.")
    gaps_opened = models.PositiveIntegerField(default=0)
    missing = models.PositiveBigIntegerField(default=0)
    duplicates = models.PositiveBigIntegerField(default=0)
    problem = models.TextField(blank=True)

    class Meta:
        ordering = ["-started_at"]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S} UTC"
