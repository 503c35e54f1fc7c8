"""Recovery jobs: how far each is, what happened to it, and what a person may do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, Max, QuerySet, When
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.utils.formats import localize
from django.utils.html import format_html
from django.utils.safestring import SafeString

from collectors.admin import ReadOnly, confirmed, list_link, row_link, rows_per
from dataprovider.numbers import counted
from integrity.admin.progress import Standing
from integrity.admin.shapes import outcome
from integrity.models import JobEvent, JobStatus, RecoveryJob
from integrity.recovery import queue

#: How much an action moves a job's priority.
PRIORITY_STEP = 50
#: So many batches are offered to choose from, the newest.
MOST_BATCHES = 10
#: So many jobs are told of at once, and so many new events of one.
MOST_ASKED = 200
MOST_EVENTS = 100


class BatchFilter(admin.SimpleListFilter):
    """Jobs that were asked for together."""

    title = "batch"
    parameter_name = "batch"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        rows = RecoveryJob.objects.exclude(batch="").order_by().values("batch").annotate(newest=Max("id"))
        names = [row["batch"] for row in rows.order_by("-newest")[:MOST_BATCHES]]
        chosen = request.GET.get(self.parameter_name)
        return [(name, name) for name in ([chosen] if chosen and chosen not in names else []) + names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> QuerySet[RecoveryJob]:
        return queryset.filter(batch=self.value()) if self.value() else queryset


class JobEventInline(admin.TabularInline[JobEvent, RecoveryJob]):
    model = JobEvent
    verbose_name_plural = "What happened to it"
    fields = readonly_fields = ("when", "status", "text")
    extra = 0
    can_delete = False

    @admin.display(description="at (UTC)")
    def when(self, event: JobEvent) -> SafeString:
        return format_html('<time data-event="{}">{}</time>', event.pk, localize(event.at))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RecoveryJob)
class RecoveryJobAdmin(ReadOnly):
    list_display = ("symbol", "range", "state", "progress", "time", "stored", "why", "gaps_link", "priority")
    list_filter = ("status", "kind", "source", BatchFilter)
    search_fields = ("symbol__name", "batch", "reason")
    search_help_text = "By symbol, batch or reason"
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
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("symbol_link", "range", "state", "progress", "position_now", "time", "why")}),
        ("What it got", {"fields": ("stored", "rows_read", "gaps_link", "outcome")}),
        ("Its place in the queue", {"fields": ("source", "priority", "batch_link", "attempts", "next_attempt_at")}),
        (
            "Who has it",
            {"fields": ("owner", "heartbeat_at", "cancelling", "created_at", "started_at", "finished_at")},
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RecoveryJob]:
        gaps = rows_per(RecoveryJob.gaps.through.objects.all(), "recoveryjob")
        rows: QuerySet[RecoveryJob] = super().get_queryset(request).annotate(of_gaps=gaps)
        return rows

    def get_urls(self) -> list[URLPattern]:
        own = path("progress/", self.admin_site.admin_view(self.progress_view), name="integrity_recoveryjob_progress")
        return [own, *super().get_urls()]

    def progress_view(self, request: HttpRequest) -> JsonResponse:
        """How far the jobs `ids` (comma separated) are: {"jobs": {id: Standing.as_json}}.

        With `events=ID` also what happened to that job after its event number `after`, the oldest first:
        {"events": [{"id", "at", "status", "text"}]}.
        """
        if not self.has_view_permission(request):
            raise PermissionDenied("Your user may not look at recovery jobs.")
        ids = [int(each) for each in request.GET.get("ids", "").split(",") if _is_key(each)]
        found = RecoveryJob.objects.filter(pk__in=ids[:MOST_ASKED])
        answer: dict[str, Any] = {
            "jobs": {job.pk: Standing.of(job).as_json() for job in found.select_related("symbol")}
        }
        job, after = (request.GET.get(each, "") for each in ("events", "after"))
        if _is_key(job) and _is_key(after):
            answer["events"] = [
                {"id": event.pk, "at": localize(event.at), "status": event.get_status_display(), "text": event.text}
                for event in JobEvent.objects.filter(job=int(job), pk__gt=int(after))[:MOST_EVENTS]
            ]
        return JsonResponse(answer)

    @admin.display(description="status", ordering="status")
    def state(self, job: RecoveryJob) -> SafeString:
        return Standing.of(job).mark("status", job.get_status_display())

    @admin.display(description="progress")
    def progress(self, job: RecoveryJob) -> SafeString:
        return Standing.of(job).bar()

    @admin.display(description="time")
    def time(self, job: RecoveryJob) -> SafeString:
        standing = Standing.of(job)
        return standing.mark("time", standing.time)

    @admin.display(description="is at")
    def position_now(self, job: RecoveryJob) -> SafeString:
        standing = Standing.of(job)
        return standing.mark("position", standing.position)

    @admin.display(description="stored", ordering="rows_stored")
    def stored(self, job: RecoveryJob) -> SafeString:
        standing = Standing.of(job)
        return standing.mark("rows_stored", standing.rows_stored)

    @admin.display(description="reason")
    def why(self, job: RecoveryJob) -> SafeString:
        return Standing.of(job).mark("reason", job.reason)

    @admin.display(description="gaps")
    def gaps_link(self, job: RecoveryJob) -> SafeString | str:
        count = getattr(job, "of_gaps", 0)
        return list_link("collectors_gap", count, recovery_jobs__id__exact=job.pk) if count else "–"

    @admin.display(description="result")
    def outcome(self, job: RecoveryJob) -> str:
        return outcome(job.result)

    @admin.display(description="cancelling")
    def cancelling(self, job: RecoveryJob) -> str:
        return "asked for, ends within seconds" if job.cancel_requested else "–"

    @admin.display(description="symbol")
    def symbol_link(self, job: RecoveryJob) -> SafeString:
        return row_link(job.symbol, job.symbol.name)

    @admin.display(description="batch")
    def batch_link(self, job: RecoveryJob) -> SafeString | str:
        return list_link("integrity_recoveryjob", job.batch, batch=job.batch) if job.batch else "–"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return [name for _, options in self.fieldsets for name in options["fields"]]

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Jobs are read-only as rows; who may change them may operate them."""
        return bool(request.user.has_perm("integrity.change_recoveryjob"))

    @admin.action(description="Try again now …", permissions=["operate"])
    @confirmed(title="Try again now", explanation="Jobs that were set aside, cancelled or wait are tried in a moment.")
    def retry(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> None:
        done = [job for job in queryset if queue.retry(job)]
        self.remember(request, done, "Tried again.")
        self._tell(request, len(done), len(queryset), "tried again in a moment", "running or done")

    @admin.action(description="Cancel …", permissions=["operate"])
    @confirmed(
        title="Cancel",
        button="Cancel the jobs",
        explanation="What waits is cancelled at once, what runs within seconds. What a job stored stays, and it can be "
        "tried again. A hole between stored trades is still a gap for the next check.",
    )
    def cancel(self, request: HttpRequest, queryset: QuerySet[RecoveryJob]) -> None:
        done = [job for job in queryset if queue.cancel(job)]
        self.remember(request, done, "Cancelled.")
        self._tell(
            request,
            len(done),
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
        total = len(queryset)
        waiting = queryset.filter(status=JobStatus.PENDING, priority__gt=-1000, priority__lt=1000)
        moved, what = list(waiting), f"priority {abs(step)} {'higher' if step > 0 else 'lower'}"
        done = waiting.update(priority=F("priority") + step)
        self.remember(request, moved, f"{what.capitalize()}.")
        self._tell(request, done, total, what, "not waiting")

    def _tell(self, request: HttpRequest, done: int, total: int, what: str, otherwise: str) -> None:
        if done:
            self.message_user(request, f"{counted(done, 'job')}: {what}.", messages.SUCCESS)
        if done < total:
            left = total - done
            text = f"{counted(left, 'job')} left alone: {'it is' if left == 1 else 'each is'} {otherwise}."
            self.message_user(request, text, messages.WARNING)
        if not total:
            self.message_user(request, "None of the selected jobs exists any more.", messages.WARNING)


def _is_key(text: str) -> bool:
    """Whether it can be the key of a row: more digits would be refused by Postgres."""
    return text.isascii() and text.isdecimal() and len(text) < 19
