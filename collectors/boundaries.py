"""StreamBoundary rows: the verdict over every connect, reconnect and start of a symbol, kept for a while."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import DataError, IntegrityError, transaction
from django.db.models import Min
from django.utils import timezone

from collectors.contracts import newest_contracts
from collectors.messages import BoundaryFound, GapFound
from collectors.models import BoundaryVerdict, StreamBoundary

logger = logging.getLogger(__name__)

#: How long they are kept (days).
DAYS_KEPT = 90


def record_boundaries(found: Sequence[BoundaryFound]) -> int:
    """Write boundaries down, in one statement or not at all; how many. Those of unknown symbols are left out.

    Raises django.db.OperationalError while Postgres is away: call again with the same.
    """
    if not found:
        return 0
    names = {each.symbol for each in found}
    symbols = newest_contracts(names)
    rows = [
        StreamBoundary(
            symbol=symbols[each.symbol],
            cause=each.cause,
            last_before=each.last_before,
            first_after=each.first_after,
            verdict=each.verdict,
            at=datetime.fromtimestamp(each.at_ms / 1000, UTC),
        )
        for each in found
        if each.symbol in symbols
    ]
    try:
        with transaction.atomic():
            StreamBoundary.objects.bulk_create(rows)
    except (DataError, IntegrityError):
        # Tried again, they would be refused again, and with them everything that follows.
        logger.exception("Postgres refuses %d stream boundaries: they are dropped.", len(rows))
        return 0
    return len(rows)


def lost_beginnings(found: Sequence[BoundaryFound]) -> list[GapFound]:
    """Ids that were received and never stored, of symbols that begin a second time.

    A worker says FIRST of a symbol of which nothing is stored. Where one has said so before, of a smaller id, what that
    one received went down with it, and no id in the table shows it. Call it before `record_boundaries`.
    Raises django.db.OperationalError while Postgres is away.
    """
    firsts = [each for each in found if each.verdict == BoundaryVerdict.FIRST]
    if not firsts:
        return []
    today = newest_contracts({each.symbol for each in firsts}).values()
    before = StreamBoundary.objects.filter(symbol__in=today, verdict=BoundaryVerdict.FIRST).order_by()
    begun = dict(before.values_list("symbol__name").annotate(Min("first_after")))
    lost = []
    for each in firsts:
        first_id = begun.setdefault(each.symbol, each.first_after)
        if first_id < each.first_after:
            lost.append(GapFound(each.symbol, first_id, each.first_after - 1, each.cause, epoch=each.epoch))
        begun[each.symbol] = min(first_id, each.first_after)
    return lost


def forget_old_boundaries() -> int:
    """Delete those older than DAYS_KEPT; how many."""
    return StreamBoundary.objects.filter(at__lt=timezone.now() - timedelta(days=DAYS_KEPT)).delete()[0]
