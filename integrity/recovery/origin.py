"""Why nothing comes before a symbol's first stored trade: what the exchange's own listing of archives says."""

from __future__ import annotations

from typing import Any

from collectors.binance.archive import Archives
from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus, RecoveryJob, SymbolTrust
from integrity.recovery.contracts import archived_days
from integrity.recovery.planner import day_of


def origin_of(store: ClickHouse, archives: Archives, symbol: str) -> dict[str, Any] | None:
    """The evidence that the first stored trade is the first the exchange publishes; None: it is not known to be.

    Raises ClickHouseError and ArchiveUnreachable.
    """
    rows = store.query("symbol_extent", symbols=[symbol])
    listed = archived_days(archives, symbol)
    if not rows or listed is None or day_of(int(rows[0][5]) * 1000) > listed[0]:
        return None
    return {"source": "archive listing", "first_id": int(rows[0][2]), "first_archived_day": listed[0].isoformat()}


def apply_origins() -> int:
    """Write what finished jobs found to the trust points that do not know it yet; how many."""
    applied = 0
    for trust in SymbolTrust.objects.filter(origin={}):
        job = RecoveryJob.objects.filter(
            symbol_id=trust.pk, status=JobStatus.DONE, result__origin__first_id=trust.first_id
        ).first()
        if job is not None:
            applied += SymbolTrust.objects.filter(pk=trust.pk, first_id=trust.first_id).update(
                origin=job.result["origin"]
            )
    return applied
