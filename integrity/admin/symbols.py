"""Symbols: how far each can be trusted, and asking for its history or a check."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from collectors.admin import ANSWERED, SymbolAdmin, ask, list_link, rows_per
from collectors.models import UNFINISHED, Gap, Symbol
from dataprovider.clickhouse import Address, ClickHouse, ClickHouseError
from dataprovider.numbers import counted
from integrity.admin.shapes import moment
from integrity.checks.check import IntegrityCheck
from integrity.models import UNFINISHED_JOBS, RecoveryJob, Source
from integrity.recovery import queue
from integrity.recovery.planner import months

#: A check inside a request: at most so many symbols, and so many seconds.
MOST_CHECKED = 50
CHECK_SECONDS = 20.0
FIRST_DAY = date(2019, 9, 1)


class DateRange(forms.Form):
    first = forms.DateField(label="From", widget=forms.DateInput(attrs={"type": "date"}), help_text="UTC")
    last = forms.DateField(label="To", widget=forms.DateInput(attrs={"type": "date"}), help_text="Included, UTC")
    source = forms.ChoiceField(choices=Source.choices)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first, last = cleaned.get("first"), cleaned.get("last")
        if first and last and first > last:
            raise forms.ValidationError(f"The first day, {first}, is after the last, {last}: turn them round.")
        if first and last and not FIRST_DAY <= first <= last <= datetime.now(UTC).date():
            raise forms.ValidationError(f"The days must go from {FIRST_DAY} at the earliest to today at the latest.")
        return cleaned


admin.site.unregister(Symbol)


@admin.register(Symbol)
class RecoverableSymbolAdmin(SymbolAdmin):
    list_display = ("name", "enabled", "whole_until", "open_gaps", "jobs", "history", "status", "shard", "listed")
    list_select_related = ("trust",)
    actions = (*SymbolAdmin.actions, "backfill", "verify_now")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name", "enabled", "whole_until", "open_gaps", "jobs", "history", "boundaries", "chart")}),
        ("The contract", {"fields": ("status", "contract_type", "pair", "base_asset", "quote_asset")}),
        ("Its rules", {"fields": ("tick_size", "step_size", "onboard_date", "delivery_date")}),
        ("Here", {"fields": ("shard_link", "created_at", "updated_at")}),
    )
    readonly_fields: ClassVar[Any] = tuple(
        name for _, options in fieldsets for name in options["fields"] if name != "enabled"
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Symbol]:
        gaps = rows_per(Gap.objects.filter(status__in=UNFINISHED), "symbol")
        jobs = rows_per(RecoveryJob.objects.filter(status__in=UNFINISHED_JOBS), "symbol")
        rows: QuerySet[Symbol] = super().get_queryset(request).defer("info").annotate(of_gaps=gaps, of_jobs=jobs)
        return rows

    @admin.display(description="whole until (UTC)", ordering="trust__trust_ms")
    def whole_until(self, symbol: Symbol) -> str:
        trust = getattr(symbol, "trust", None)
        return "not checked yet" if trust is None else moment(trust.trust_ms)

    @admin.display(description="open gaps", ordering="of_gaps")
    def open_gaps(self, symbol: Symbol) -> str | SafeString:
        count = getattr(symbol, "of_gaps", 0)
        if not count:
            return "–"
        return list_link("collectors_gap", count, symbol__id__exact=symbol.pk, age="unfinished")

    @admin.display(description="jobs", ordering="of_jobs")
    def jobs(self, symbol: Symbol) -> str | SafeString:
        text = f"{count} under way" if (count := getattr(symbol, "of_jobs", 0)) else "jobs"
        return list_link("integrity_recoveryjob", text, symbol__id__exact=symbol.pk)

    @admin.display(description="history")
    def history(self, symbol: Symbol) -> SafeString:
        return list_link("integrity_monthcheck", "months", symbol__id__exact=symbol.pk)

    @admin.display(description="connects and reconnects")
    def boundaries(self, symbol: Symbol) -> SafeString:
        return list_link("collectors_streamboundary", "boundaries", symbol__id__exact=symbol.pk)

    @admin.display(description="on the dashboard")
    def chart(self, symbol: Symbol) -> SafeString:
        return format_html('<a href="/#{}/1">chart</a>', symbol.name)

    @admin.display(description="shard")
    def shard_link(self, symbol: Symbol) -> SafeString:
        return list_link("collectors_shardlease", symbol.shard, shard=symbol.shard)

    @admin.display(description="listed", ordering="onboard_date")
    def listed(self, symbol: Symbol) -> str:
        return f"{symbol.onboard_date:%Y-%m-%d}"

    @admin.action(description="Backfill a date range …", permissions=["change"])
    def backfill(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> TemplateResponse | None:
        answered = ANSWERED in request.POST
        form = DateRange(request.POST if answered else None, initial={"last": datetime.now(UTC).date()})
        if not form.is_valid():
            return ask(
                self,
                request,
                queryset,
                action="backfill",
                title="Backfill a date range",
                explanation="What is missing of these days is fetched for each of these symbols, behind all open gaps.",
                form=form,
                button="Backfill",
            )
        asked, made, batch = 0, 0, f"admin {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())}"
        for symbol in (symbols := list(queryset)):
            first = max(form.cleaned_data["first"], symbol.onboard_date.astimezone(UTC).date())
            for first_day, last_day in months(first, form.cleaned_data["last"]):
                job = (symbol, first_day, last_day)
                asked += 1
                made += queue.add_days_job(*job, source=form.cleaned_data["source"], batch=batch)[1]
        days = f"{form.cleaned_data['first']} to {form.cleaned_data['last']}"
        self.remember(request, symbols, f"Backfill of {days} asked for.")
        if made:
            text = f"{counted(made, 'job')} now waiting for a worker"
            link = list_link("integrity_recoveryjob", "watch them", batch=batch)
            self.message_user(request, format_html("{}: {}.", text, link), messages.SUCCESS)
        if made < asked:
            text = f"{counted(asked - made, 'job')} of the same days waiting or running already."
            self.message_user(request, text, messages.INFO)
        if not asked:
            self.message_user(request, "Nothing to fetch: that is before the contract began.", messages.WARNING)
        return None

    @admin.action(description="Verify now", permissions=["change"])
    def verify_now(self, request: HttpRequest, queryset: QuerySet[Symbol]) -> None:
        names = list(queryset.values_list("name", flat=True)[: MOST_CHECKED + 1])
        if len(names) > MOST_CHECKED:
            self.message_user(
                request, f"At most {MOST_CHECKED} at a time here; `manage.py verify` takes all.", messages.ERROR
            )
            return
        deadline = time.monotonic() + CHECK_SECONDS
        store = ClickHouse(Address.of_nodes(settings.CONFIG), pool_size=1, timeout=CHECK_SECONDS)
        try:
            run = IntegrityCheck(store).run(names, stop=lambda: time.monotonic() > deadline)
        except ClickHouseError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        finally:
            store.close()
        if run.finished_at is None:
            self.message_user(request, "Not finished in time: the next check goes on.", messages.WARNING)
            return
        level = messages.WARNING if run.missing or run.duplicates else messages.SUCCESS
        self.message_user(
            request,
            f"{counted(len(names), 'symbol')} checked: {counted(run.missing, 'id')} missing, "
            f"{counted(run.duplicates, 'row')} twice, {counted(run.gaps_opened, 'new gap')}.",
            level,
        )
