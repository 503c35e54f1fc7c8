"""From open gaps to recovery jobs, and what becomes of jobs that were set aside."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from collectors.models import Gap, GapStatus
from integrity.models import UNFINISHED_JOBS, ArchiveFile, FileVerdict, JobStatus, RecoveryJob
from integrity.recovery import queue
from integrity.recovery.planner import Missing, clustered

#: So many gaps are looked at in one go.
MOST_AT_ONCE = 5_000
#: How often an archive that could not be used is looked at again: by its ETag alone, unless it was replaced.
RECHECK = timedelta(days=1)

_SET_ASIDE = (JobStatus.FAILED, JobStatus.CANCELLED)


def plan_gaps() -> int:
    """Make a job of every cluster of open gaps that has none; how many.

    What was set aside or cancelled stays so, unless the gap has grown beyond it since.
    """
    held = RecoveryJob.objects.filter(gaps=OuterRef("pk")).filter(
        Q(status__in=UNFINISHED_JOBS) | Q(status__in=_SET_ASIDE, last_id__gte=OuterRef("last_id"))
    )
    waiting = Gap.objects.filter(~Exists(held), status=GapStatus.OPEN)
    gaps = {gap.pk: gap for gap in waiting.select_related("symbol").order_by("-opened_at")[:MOST_AT_ONCE]}
    now_ms = int(time.time() * 1000)
    clusters = clustered(
        Missing(pk, gap.symbol.name, gap.first_id, gap.last_id, gap.after_ms or gap.before_ms or now_ms)
        for pk, gap in gaps.items()
    )
    queue.add_ids_jobs(
        [
            (
                gaps[cluster[0].key].symbol,
                cluster[0].first_id,
                max(each.last_id for each in cluster),
                [gaps[each.key] for each in cluster],
                max(each.newest_ms for each in cluster),
            )
            for cluster in clusters
        ]
    )
    return len(clusters)


def retry_after_bad_archives() -> int:
    """Once a day, try jobs again that were set aside because of a bad archive: it may have been replaced. How many."""
    bad = ArchiveFile.objects.exclude(verdict=FileVerdict.GOOD).values("symbol")
    due = RecoveryJob.objects.filter(Q(symbol__name__in=bad), status=JobStatus.FAILED, finished_at__lt=Now() - RECHECK)
    return sum(queue.retry(job) for job in due[:100])
