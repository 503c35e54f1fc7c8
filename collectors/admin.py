"""The admin pages of collection: contracts, shards and their workers, hosts, gaps."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from collectors.models import CollectorHost, Gap, ShardLease, StreamBoundary, Symbol
from collectors.switching import switch

admin.site.site_header = "DataProvider"
admin.site.site_title = "DataProvider"
admin.site.index_title = "Collection"


class ReadOnly(admin.ModelAdmin[Any]):
    """Rows that the program keeps: to look at, not to edit."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Symbol)
class SymbolAdmin(admin.ModelAdmin[Symbol]):
    list_display: Any = (
        "name",
        "enabled",
        "status",
        "contract_type",
        "quote_asset",
        "shard",
        "onboard_date",
        "open_gaps",
    )
    list_editable = ("enabled",)
    list_filter = ("enabled", "status", "contract_type", "quote_asset", "shard")
    search_fields = ("name", "base_asset")
    list_per_page = 100
    actions: Any = ("enable", "disable")
    readonly_fields = tuple(field.name for field in Symbol._meta.fields if field.name != "enabled")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Symbol]:
        return super().get_queryset(request).prefetch_related("gaps")

    @admin.display(description="open gaps")
    def open_gaps(self, symbol: Symbol) -> str | SafeString:
        count = sum(1 for gap in symbol.gaps.all() if gap.status in ("open", "recovering"))
        if not count:
            return "–"
        return format_html('<a href="../gap/?symbol__id__exact={}&status__exact=open">{}</a>', symbol.pk, count)

    @admin.action(description="Collect the selected symbols", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Stop collecting the selected symbols", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Symbol], *, enabled: bool) -> None:
        changed = switch(queryset, enabled=enabled)
        what = "collected" if enabled else "no longer collected"
        self.message_user(request, f"{changed} symbols are {what} from the next second on.", messages.SUCCESS)


@admin.register(ShardLease)
class ShardLeaseAdmin(ReadOnly):
    list_display = ("shard", "held", "owner", "worker", "pid", "epoch", "heartbeat_at", "symbols")
    ordering = ("shard",)

    @admin.display(boolean=True, description="held")
    def held(self, lease: ShardLease) -> bool:
        return lease.expires_at is not None and lease.expires_at > timezone.now()

    @admin.display(description="symbols")
    def symbols(self, lease: ShardLease) -> SafeString:
        count = Symbol.objects.filter(shard=lease.shard, enabled=True).count()
        return format_html('<a href="../symbol/?shard={}&enabled__exact=1">{}</a>', lease.shard, count)


@admin.register(CollectorHost)
class CollectorHostAdmin(ReadOnly):
    list_display = ("hostname", "pid", "workers", "started_at", "heartbeat_at")


@admin.register(Gap)
class GapAdmin(ReadOnly):
    list_display: Any = ("symbol", "first_id", "last_id", "missing", "cause", "status", "opened_at")
    list_filter: ClassVar[Any] = ("status", "cause")
    search_fields = ("symbol__name",)
    list_select_related = ("symbol",)
    date_hierarchy = "opened_at"

    @admin.display(description="ids missing")
    def missing(self, gap: Gap) -> int:
        return gap.size


@admin.register(StreamBoundary)
class StreamBoundaryAdmin(ReadOnly):
    list_display = ("at", "symbol", "cause", "verdict", "last_before", "first_after")
    list_filter = ("verdict", "cause")
    search_fields = ("symbol__name",)
    list_select_related = ("symbol",)
    date_hierarchy = "at"
