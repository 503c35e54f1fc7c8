"""Which symbols nothing has been heard of, while others are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db.models import QuerySet

from collectors.board import BoardLine
from collectors.directory import to_collect
from collectors.models import Symbol
from collectors.quiet import MOST_SECONDS

#: A symbol that is heard of less often than this (seconds) is silent, however rarely it is traded.
SILENT_SECONDS = int(MOST_SECONDS)


def silent_symbols(board: Mapping[str, BoardLine], now: datetime, only: Collection[str] = ()) -> QuerySet[Symbol]:
    """Those to be collected (of `only`, when that is not empty) and switched on for long enough that the board has no
    news of.

    News are as old as the newest of all is younger: where nothing is collected at all, that is no silence of symbols.
    """
    newest = max((line.seen_ms for line in board.values()), default=0)
    heard = [name for name, line in board.items() if line.seen_ms > newest - SILENT_SECONDS * 1000]
    wanted = to_collect(only)
    if not heard:
        return wanted.none()
    return wanted.filter(updated_at__lt=now - timedelta(seconds=SILENT_SECONDS)).exclude(name__in=heard)
