"""Gaps: which there are, why, what becomes of them, and what a person may do."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from collectors.admin import ANSWERED, GapAdmin, ask, confirmed, list_link, row_link
from collectors.gaps import mark_absent
from collectors.models import UNFINISHED, Gap
from dataprovider.numbers import counted
from dataprovider.states import IllegalTransition
from integrity.admin.landing import rules_of
from integrity.admin.shapes import duration, moment
from integrity.models import JobStatus, RecoveryJob
from integrity.models.jobs import NOW_PRIORITY
from integrity.recovery import queue
from integrity.recovery.gapplan import plan_gaps


class Reason(forms.Form):
    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}), help_text="Kept as the evidence, with your name."
    )
    #: When the question was shown (Unix time): a gap that has changed since, such as one that grew, is another one.
    shown_at = forms.FloatField(widget=forms.HiddenInput, initial=time.time)


class AgeFilter(admin.SimpleListFilter):
    """How long ago a gap was opened, of all or of those that are not closed."""

    title = "age"
    parameter_name = "age"
    _AGES = (
        ("hour", "less than an hour", None, timedelta(hours=1)),
        ("day", "an hour to a day", timedelta(hours=1), timedelta(days=1)),
        ("week", "a day to a week", timedelta(days=1), timedelta(days=7)),
        ("older", "more than a week", timedelta(days=7), None),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        late = f"not closed after {rules_of(settings.CONFIG).gap_minutes} min"
        ages = [(key, label) for key, label, _, _ in self._AGES]
        return [("unfinished", "not closed"), ("late", late), *ages]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Gap]) -> QuerySet[Gap]:
        now = timezone.now()
        if self.value() in ("unfinished", "late"):
            queryset = queryset.filter(status__in=UNFINISHED)
        if self.value() == "late":
            queryset = queryset.filter(opened_at__lt=now - timedelta(minutes=rules_of(settings.CONFIG).gap_minutes))
        for key, _, youngest, oldest in self._AGES:
            if self.value() == key:
                if youngest is not None:
                    queryset = queryset.filter(opened_at__lte=now - youngest)
                if oldest is not None:
                    queryset = queryset.filter(opened_at__gt=now - oldest)
        return queryset


admin.site.unregister(Gap)


@admin.register(Gap)
class RecoverableGapAdmin(GapAdmin):
    list_display = ("ids", "symbol_link", "missing", "status", "age", "jobs", "cause")
    list_filter = (AgeFilter, "status", "cause")
    actions = ("recover_now", "accept_as_absent")
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("symbol_link", "ids", "missing", "status", "cause", "jobs", "boundaries")}),
        ("When", {"fields": ("opened_at", "updated_at", "before", "after")}),
        ("Evidence", {"fields": ("evidence",)}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gap]:
        jobs = Prefetch("recovery_jobs", RecoveryJob.objects.order_by("-id"))
        return super().get_queryset(request).prefetch_related(jobs)

    @admin.display(description="ids", ordering="first_id")
    def ids(self, gap: Gap) -> str:
        return f"{gap.first_id}" if gap.size == 1 else f"{gap.first_id}–{gap.last_id}"

    @admin.display(description="symbol", ordering="symbol__name")
    def symbol_link(self, gap: Gap) -> SafeString:
        return row_link(gap.symbol, gap.symbol.name)

    @admin.display(description="age", ordering="-opened_at")
    def age(self, gap: Gap) -> str:
        return duration((timezone.now() - gap.opened_at).total_seconds())

    @admin.display(description="trade before it (UTC)")
    def before(self, gap: Gap) -> str:
        return moment(gap.before_ms)

    @admin.display(description="trade after it (UTC)")
    def after(self, gap: Gap) -> str:
        return moment(gap.after_ms)

    @admin.display(description="boundaries")
    def boundaries(self, gap: Gap) -> SafeString:
        return list_link(
            "collectors_streamboundary",
            "of its symbol, those with a gap",
            symbol__id__exact=gap.symbol_id,
            verdict__exact="gap",
        )

    @admin.display(description="jobs")
    def jobs(self, gap: Gap) -> SafeString | str:
        found = list(gap.recovery_jobs.all())
        if not found:
            return "–"
        if len(found) == 1:
            return row_link(found[0], found[0].get_status_display())
        text = f"{len(found)}, {found[0].get_status_display()}"
        return list_link("integrity_recoveryjob", text, gaps__id__exact=gap.pk)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Gaps are read-only as rows; who may change them may operate them."""
        return bool(request.user.has_perm("collectors.change_gap"))

    @admin.action(description="Recover now …", permissions=["operate"])
    @confirmed(
        title="Recover now",
        explanation="These gaps are fetched next, before everything else; what was set aside is tried again. Closed "
        "ones are left as they are.",
    )
    def recover_now(self, request: HttpRequest, queryset: QuerySet[Gap]) -> None:
        gaps, total = list(queryset.filter(status__in=UNFINISHED)), queryset.count()
        for job in RecoveryJob.objects.filter(gaps__in=gaps).exclude(status=JobStatus.DONE).distinct():
            queue.retry(job)
        plan_gaps()
        RecoveryJob.objects.filter(gaps__in=gaps, status=JobStatus.PENDING).update(priority=NOW_PRIORITY)
        self.remember(request, gaps, "Recovered next.")
        if gaps:
            self.message_user(request, f"{counted(len(gaps), 'gap')} next in turn.", messages.SUCCESS)
        if not total:
            self.message_user(request, "None of the selected gaps exists any more.", messages.WARNING)
        if left := total - len(gaps):
            self.message_user(request, f"{counted(left, 'gap')} closed already and left alone.", messages.WARNING)

    @admin.action(description="Accept as absent upstream …", permissions=["operate"])
    def accept_as_absent(self, request: HttpRequest, queryset: QuerySet[Gap]) -> TemplateResponse | None:
        form = Reason(request.POST if ANSWERED in request.POST else None)
        if not form.is_valid():
            return ask(
                self,
                request,
                queryset,
                action="accept_as_absent",
                title="Accept as absent upstream",
                explanation="These ids will be taken for ids that the exchange itself does not have: nobody looks for "
                "them any more, and candles around them count as complete. Should the trades exist, they stay missing.",
                form=form,
                button="Accept as absent upstream",
            )
        accepted, total = [], len(queryset)
        for gap in queryset:
            evidence = {"source": "person", "by": request.user.get_username(), "reason": form.cleaned_data["reason"]}
            try:
                if gap.updated_at.timestamp() <= form.cleaned_data["shown_at"] and mark_absent(gap, evidence):
                    accepted.append(gap)
            except IllegalTransition:
                continue
        self.remember(request, accepted, f"Accepted as absent upstream: {form.cleaned_data['reason']}")
        done = len(accepted)
        level = messages.SUCCESS if done == total else messages.WARNING
        self.message_user(request, f"{done} of {counted(total, 'gap')} accepted as absent upstream.", level)
        return None
