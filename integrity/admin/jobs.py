"""Recovery jobs: how far each is, what happened to it, and what a person may do."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import Case, F, QuerySet, When
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from collectors.admin import ReadOnly
from dataprovider.numbers import counted
from integrity.admin.shapes import duration, list_link, progress_bar
from integrity.models import JobEvent, JobStatus, RecoveryJob
from integrity.recovery import queue

#: How much an action moves a job's priority.
PRIORITY_STEP = 50


class JobEventInline(admin.TabularInline[JobEvent, RecoveryJob]):
    model = JobEvent
    fields = readonly_fields = ("at", "status", "text")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RecoveryJob)
class RecoveryJobAdmin(ReadOnly):
    list_display = (
        "symbol",
        "range",
        "status",
        "progress",
        "time_left",
        "rows_stored",
        "source",
        "priority",
        "attempts",
        "next_attempt_at",
        "reason",
    )
    list_filter = ("status", "kind", "source", "batch")
    search_fields = ("symbol__name", "batch", "reason")
    list_select_related = ("symbol",)
    list_per_page = 50
    #: What runs first, then what waits, what was set aside, and what is over; the newest news first.
    ordering = (
        Case(
            When(status=JobStatus.RUNNING, then=0),
            When(status=JobStatus.PENDING, then=1),
            When(status=JobStatus.FAILED, then=2),
            default=3,
        ),
        "-updated_at",
    )
    inlines = (JobEventInline,)
    actions = ("retry", "cancel", "sooner", "later")

    @admin.display(description="progress")
    def progress(self, job: RecoveryJob) -> SafeString:
        if job.status != JobStatus.RUNNING:
            return progress_bar(job.units_done, job.units_total)
        return progress_bar(job.units_done + float(job.result.get("part_of_day", 0)), job.units_total, job.position)

    @admin.display(description="time left")
    def time_left(self, job: RecoveryJob) -> str:
        if job.status != JobStatus.RUNNING or not job.units_done or job.started_at is None:
            return "–"
        passed = (timezone.now() - job.started_at).total_seconds()
        return f"about {duration(passed * (job.units_total - job.units_done) / job.units_done)}"

    @admin.display(description="gaps")
    def gaps_link(self, job: RecoveryJob) -> SafeString:
        return list_link("collectors_gap", job.gaps.count(), recovery_jobs__id__exact=job.pk)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        shown = [field.name for field in RecoveryJob._meta.fields if field.name != "claim"]
        return [*shown, "progress", "time_left", "gaps_link"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.get_fields(request, obj)

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Jobs are read-only as rows; who may change them may operate them."""
        return bool(request.user.has_perm("integrity.change_recoveryjob"))

    @admin.action(description="Try again now", permissions=["operate"])
    def retry(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> None:
        done = sum(queue.retry(job) for job in queryset)
        self._tell(request, done, len(queryset), "tried again in a moment", "running or done")

    @admin.action(description="Cancel", permissions=["operate"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> None:
        done = sum(queue.cancel(job) for job in queryset)
        self._tell(
            request,
            done,
            len(queryset),
            "cancelled (what runs ends within seconds). A hole between stored trades is still a gap for the next check",
            "over already",
        )

    @admin.action(description="Do sooner", permissions=["operate"])
    def sooner(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> None:
        self._move(request, queryset, PRIORITY_STEP)

    @admin.action(description="Do later", permissions=["operate"])
    def later(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> None:
        self._move(request, queryset, -PRIORITY_STEP)

    def _move(self, request: HttpRequest, queryset: QuerySet[RecoveryJob], step: int) -> None:
        waiting = queryset.filter(status=JobStatus.PENDING, priority__gt=-1000, priority__lt=1000)
        total = len(queryset)
        done = waiting.update(priority=F("priority") + step)
        self._tell(request, done, total, f"priority {abs(step)} {'higher' if step > 0 else 'lower'}", "not waiting")

    def _tell(self, request: HttpRequest, done: int, total: int, what: str, otherwise: str) -> None:
        if done:
            self.message_user(request, f"{counted(done, 'job')}: {what}.", messages.SUCCESS)
        if done < total:
            left = total - done
            text = f"{counted(left, 'job')} left alone: {'it is' if left == 1 else 'each is'} {otherwise}."
            self.message_user(request, text, messages.WARNING)
        if not total:
            self.message_user(request, "None of the selected jobs exists any more.", messages.WARNING)
