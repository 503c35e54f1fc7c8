"""Gaps: which there are, why, what becomes of them, and what a person may do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.safestring import SafeString

from collectors.admin import GapAdmin
from collectors.gaps import mark_absent
from collectors.models import UNFINISHED, Gap
from dataprovider.numbers import counted
from dataprovider.states import IllegalTransition
from integrity.admin.confirm import ANSWERED, ask
from integrity.admin.shapes import duration, list_link
from integrity.models import JobStatus, RecoveryJob
from integrity.models.jobs import NOW_PRIORITY
from integrity.recovery import queue
from integrity.recovery.gapplan import plan_gaps


class Reason(forms.Form):
    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}), help_text="Kept as the evidence, with your name."
    )


class AgeFilter(admin.SimpleListFilter):
    """How long ago a gap was opened."""

    title = "age"
    parameter_name = "age"
    _AGES = (
        ("hour", "less than an hour", None, timedelta(hours=1)),
        ("day", "an hour to a day", timedelta(hours=1), timedelta(days=1)),
        ("week", "a day to a week", timedelta(days=1), timedelta(days=7)),
        ("older", "more than a week", timedelta(days=7), None),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(key, label) for key, label, _, _ in self._AGES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Gap]) -> QuerySet[Gap]:
        for key, _, youngest, oldest in self._AGES:
            if self.value() == key:
                now = timezone.now()
                if youngest is not None:
                    queryset = queryset.filter(opened_at__lte=now - youngest)
                if oldest is not None:
                    queryset = queryset.filter(opened_at__gt=now - oldest)
        return queryset


admin.site.unregister(Gap)


@admin.register(Gap)
class RecoverableGapAdmin(GapAdmin):
    list_display = ("symbol", "first_id", "last_id", "missing", "cause", "status", "age", "jobs")
    list_filter = ("status", "cause", AgeFilter, ("symbol", admin.RelatedOnlyFieldListFilter))
    actions = ("recover_now", "accept_as_absent")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Gap]:
        jobs = Prefetch("recovery_jobs", RecoveryJob.objects.order_by("-id"))
        return super().get_queryset(request).prefetch_related(jobs)

    @admin.display(description="age", ordering="-opened_at")
    def age(self, gap: Gap) -> str:
        return duration((timezone.now() - gap.opened_at).total_seconds())

    @admin.display(description="jobs")
    def jobs(self, gap: Gap) -> SafeString | str:
        found = list(gap.recovery_jobs.all())
        if not found:
            return "–"
        return list_link(
            "integrity_recoveryjob", f"{len(found)}, {found[0].get_status_display()}", gaps__id__exact=gap.pk
        )

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Gaps are read-only as rows; who may change them may operate them."""
        return bool(request.user.has_perm("collectors.change_gap"))

    @admin.action(description="Recover now", permissions=["operate"])
    def recover_now(self, request: HttpRequest, queryset: QuerySet[Gap]) -> None:
        gaps = list(queryset.filter(status__in=UNFINISHED))
        for job in RecoveryJob.objects.filter(gaps__in=gaps).exclude(status=JobStatus.DONE).distinct():
            queue.retry(job)
        plan_gaps()
        RecoveryJob.objects.filter(gaps__in=gaps, status=JobStatus.PENDING).update(priority=NOW_PRIORITY)
        if gaps:
            self.message_user(request, f"{counted(len(gaps), 'gap')} next in turn.", messages.SUCCESS)
        if len(gaps) < len(queryset):
            self.message_user(request, "Gaps that are closed already were left as they are.", messages.WARNING)

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
        done = 0
        for gap in queryset:
            evidence = {"source": "person", "by": request.user.get_username(), "reason": form.cleaned_data["reason"]}
            try:
                done += mark_absent(gap, evidence)
            except IllegalTransition:
                continue
        self.message_user(request, f"{done} of {len(queryset)} gaps are accepted as absent upstream.", messages.SUCCESS)
        return None
