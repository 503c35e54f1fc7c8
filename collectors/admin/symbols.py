"""Symbols: which are collected, and switching that."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from collectors.admin.confirm import confirmed
from collectors.admin.operating import Operated
from collectors.board import read_board
from collectors.directory import COLLECTED, to_collect
from collectors.models import Symbol
from collectors.silence import silent_symbols
from collectors.switching import switch
from dataprovider.numbers import counted

#: How long Valkey may take inside a page (seconds).
PATIENCE_SECONDS = 1.0


class CollectionFilter(admin.SimpleListFilter):
    """How things stand with the collection of a symbol."""

    title = "collection"
    parameter_name = "collection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [
            ("collected", "collected"),
            ("silent", "silent for an hour"),
            ("paused", "paused"),
            *([("left_out", "left out by LOAD_ONLY_TICKERS")] if settings.CONFIG.load_only_tickers else []),
            ("not_trading", "not trading"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> QuerySet[Symbol]:
        only = settings.CONFIG.load_only_tickers
        match self.value():
            case "collected":
                return queryset.filter(pk__in=to_collect(only).values("pk"))
            case "left_out":
                return queryset.filter(pk__in=to_collect().exclude(name__in=only).values("pk"))
            case "silent":
                return queryset.filter(pk__in=self._silent(request).values("pk"))
            case "paused":
                return queryset.filter(enabled=False, status__in=COLLECTED)
            case "not_trading":
                return queryset.exclude(status__in=COLLECTED)
        return queryset

    def _silent(self, request: HttpRequest) -> QuerySet[Symbol]:
        try:
            with Redis.from_url(
                settings.REDIS_URL, socket_timeout=PATIENCE_SECONDS, socket_connect_timeout=PATIENCE_SECONDS
            ) as redis:
                return silent_symbols(read_board(redis), timezone.now(), settings.CONFIG.load_only_tickers)
        except RedisError as error:
            text = f"Which symbols are silent cannot be told now, Valkey does not answer: {error}"
            messages.error(request, text)
            return Symbol.objects.none()


@admin.register(Symbol)
class SymbolAdmin(Operated):
    list_display: Any = ("name", "enabled", "status", "contract_type", "quote_asset", "shard", "onboard_date")
    list_filter = (CollectionFilter, "status", "contract_type", "quote_asset", "shard")
    search_fields = ("name", "base_asset")
    search_help_text = "By name or base asset"
    list_per_page = 100
    actions: Any = ("enable", "disable")
    readonly_fields: ClassVar[Any] = tuple(field.name for field in Symbol._meta.fields if field.name != "enabled")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Collect …", permissions=["change"])
    @confirmed(
        title="Collect these symbols",
        explanation="They are collected from the next second on; what was traded in the meantime is fetched.",
    )
    def enable(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> None:
        self._switch(request, queryset, enabled=True)

    @admin.action(description="Stop collecting …", permissions=["change"])
    @confirmed(
        title="Stop collecting these symbols",
        explanation="Nothing of them is collected from the next second on. What is stored stays; what is traded in the "
        "meantime is fetched when they are collected again.",
    )
    def disable(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> None:
        self._switch(request, queryset, enabled=False)

    def _switch(self, request: HttpRequest, queryset: QuerySet[Symbol], *, enabled: bool) -> None:
        selected = queryset.count()
        switched = list(queryset.exclude(enabled=enabled))
        changed = switch(queryset, enabled=enabled)
        self.remember(request, switched, "Switched on." if enabled else "Switched off.")
        what = "collected" if enabled else "no longer collected"
        if changed:
            are = "is" if changed == 1 else "are"
            text = f"{counted(changed, 'symbol')} {are} {what} from the next second on."
            self.message_user(request, text, messages.SUCCESS)
        if changed < selected:
            left = selected - changed
            text = f"{counted(left, 'symbol')} {'was' if left == 1 else 'were'} {what} already."
            self.message_user(request, text, messages.INFO)
