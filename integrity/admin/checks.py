"""Results of integrity checks, and what is known of archive files: to look at."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString

from collectors.admin import ReadOnly, list_link
from integrity.admin.shapes import moment
from integrity.models import ArchiveFile, Incident, IntegrityRun, MonthCheck, SymbolTrust


@admin.register(MonthCheck)
class MonthCheckAdmin(ReadOnly):
    list_display = (
        "symbol",
        "month_name",
        "result",
        "missing",
        "duplicates",
        "absent",
        "rows",
        "proved_days",
        "checked_at",
        "gaps",
    )
    list_filter = ("result",)
    search_fields = ("symbol__name",)
    list_select_related = ("symbol",)
    search_help_text = "By symbol"
    date_hierarchy = "month"

    @admin.display(description="month", ordering="month")
    def month_name(self, check: MonthCheck) -> str:
        return f"{check.month:%Y-%m}"

    @admin.display(description="gaps")
    def gaps(self, check: MonthCheck) -> SafeString:
        return list_link("collectors_gap", "gaps", symbol__id__exact=check.symbol_id, age="unfinished")


@admin.register(SymbolTrust)
class SymbolTrustAdmin(ReadOnly):
    list_display = (
        "symbol",
        "whole_until",
        "missing",
        "duplicates",
        "absent",
        "rows",
        "first_id",
        "trust_id",
        "last_id",
        "checked_at",
    )
    search_fields = ("symbol__name",)
    search_help_text = "By symbol"
    list_select_related = ("symbol",)

    @admin.display(description="whole until (UTC)", ordering="trust_ms")
    def whole_until(self, trust: SymbolTrust) -> str:
        return moment(trust.trust_ms)


@admin.register(IntegrityRun)
class IntegrityRunAdmin(ReadOnly):
    list_display = (
        "started_at",
        "finished_at",
        "symbols",
        "missing",
        "duplicates",
        "gaps_opened",
        "months_read",
        "problem",
    )


@admin.register(ArchiveFile)
class ArchiveFileAdmin(ReadOnly):
    list_display = ("__str__", "verdict", "reason", "period", "rows", "duplicates", "first_id", "last_id", "seen_at")
    list_filter = ("verdict", "period")
    search_fields = ("symbol", "date")


@admin.register(Incident)
class IncidentAdmin(ReadOnly):
    list_display = ("key", "began_at", "ended_at", "text")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "began_at")
    search_fields = ("key", "text")
