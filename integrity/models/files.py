"""Archive files as they were when they were last looked at."""

from __future__ import annotations

from django.db import models


class FileVerdict(models.TextChoices):
    """What a file turned out to be."""

    GOOD = "good", "good"
    CHECKSUM = "checksum", "does not match its checksum"
    UNREADABLE = "unreadable", "cannot be read"


class ArchiveFile(models.Model):
    """One archive of the exchange. A file that changes later is told by its ETag."""

    symbol = models.CharField(max_length=64)
    period = models.CharField(max_length=10, help_text="daily or monthly")
    date = models.CharField(max_length=10, help_text="2024-01-31 or 2024-01")
    etag = models.CharField(max_length=100, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    verdict = models.CharField(max_length=12, choices=FileVerdict.choices)
    reason = models.TextField(blank=True)
    rows = models.PositiveBigIntegerField(default=0, help_text="Different trades in it.")
    duplicates = models.PositiveBigIntegerField(default=0, help_text="Rows that were there twice.")
    first_id = models.PositiveBigIntegerField(null=True, blank=True)
    last_id = models.PositiveBigIntegerField(null=True, blank=True)
    seen_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["symbol", "date", "period"]
        constraints = [
            models.UniqueConstraint(fields=["symbol", "period", "date"], name="archive_file_once"),
            models.CheckConstraint(condition=models.Q(verdict__in=FileVerdict.values), name="file_verdict_known"),
        ]

    def __str__(self) -> str:
        return f"{self.symbol}-aggTrades-{self.date}.zip"
