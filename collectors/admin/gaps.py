"""Gaps, and the boundaries at which they are found."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.utils.safestring import SafeString

from collectors.admin.operating import ReadOnly
from collectors.admin.shapes import row_link
from collectors.models import Gap, StreamBoundary


@admin.register(Gap)
class GapAdmin(ReadOnly):
    list_display: Any = ("symbol", "first_id", "last_id", "missing", "cause", "status", "opened_at")
    list_filter: ClassVar[Any] = ("status", "cause")
    search_fields = ("symbol__name",)
    search_help_text = "By symbol"
    list_select_related = ("symbol",)
    date_hierarchy = "opened_at"

    @admin.display(description="ids missing")
    def missing(self, gap: Gap) -> str:
        return f"{gap.size:,}"


@admin.register(StreamBoundary)
class StreamBoundaryAdmin(ReadOnly):
    list_display = ("at", "symbol_link", "verdict", "cause", "last_before", "first_after")
    list_filter = ("verdict", "cause")
    search_fields = ("symbol__name",)
    search_help_text = "By symbol"
    list_select_related = ("symbol",)
    date_hierarchy = "at"
    show_full_result_count = False

    @admin.display(description="symbol", ordering="symbol__name")
    def symbol_link(self, boundary: StreamBoundary) -> SafeString:
        return row_link(boundary.symbol, boundary.symbol.name)
