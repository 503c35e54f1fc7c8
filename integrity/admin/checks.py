"""Results of integrity checks, and what is known of archive files: to look at."""

from __future__ import annotations

from django.contrib import admin

from collectors.admin import ReadOnly
from integrity.models import ArchiveFile, Incident, IntegrityRun, MonthCheck, SymbolTrust


@admin.register(MonthCheck)
class MonthCheckAdmin(ReadOnly):
    list_display = (
        "symbol",
        "month",
        "result",
        "rows",
        "missing",
        "duplicates",
        "absent",
        "twins",
        "proved_days",
        "checked_at",
    )
    list_filter = ("result", "month")
    search_fields = ("symbol__name",)
    list_select_related = ("symbol",)
    date_hierarchy = "month"


@admin.register(SymbolTrust)
class SymbolTrustAdmin(ReadOnly):
    list_display = (
        "symbol",
        "first_id",
        "trust_id",
        "last_id",
        "rows",
        "missing",
        "duplicates",
        "absent",
        "checked_at",
    )
    search_fields = ("symbol__name",)
    list_select_related = ("symbol",)


@admin.register(IntegrityRun)
class IntegrityRunAdmin(ReadOnly):
    list_display = (
        "started_at",
        "finished_at",
        "symbols",
        "months_read",
        "gaps_opened",
        "missing",
        "duplicates",
        "problem",
    )


@admin.register(ArchiveFile)
class ArchiveFileAdmin(ReadOnly):
    list_display = ("__str__", "period", "verdict", "rows", "duplicates", "first_id", "last_id", "seen_at", "reason")
    list_filter = ("verdict", "period")
    search_fields = ("symbol", "date")


@admin.register(Incident)
class IncidentAdmin(ReadOnly):
    list_display = ("key", "text", "began_at", "ended_at")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "began_at")
    search_fields = ("key", "text")
