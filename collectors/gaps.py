"""Opening Gap rows: what workers found missing, without what is known already."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.messages import GapFound
from collectors.models import UNFINISHED, Gap, Symbol


def open_gaps(found: Iterable[GapFound]) -> int:
    """Write gaps down; ids that an earlier gap of the symbol covers, whatever became of it, are left out.

    Returns how many rows were made. Raises django.db.OperationalError while Postgres is away: call again with the same.
    """
    made = 0
    for gap in found:
        symbol = Symbol.objects.filter(name=gap.symbol).order_by("-onboard_date").first()
        if symbol is None:
            continue
        known = Gap.objects.filter(symbol=symbol, first_id__lte=gap.last_id, last_id__gte=gap.first_id)
        for first_id, last_id in without(gap.first_id, gap.last_id, known.values_list("first_id", "last_id")):
            Gap.objects.create(
                symbol=symbol,
                first_id=first_id,
                last_id=last_id,
                before_ms=gap.before_ms,
                after_ms=gap.after_ms,
                cause=gap.cause,
                evidence=gap.evidence,
            )
            made += 1
    return made


def count_open_gaps() -> int:
    """How many gaps are not closed."""
    return Gap.objects.filter(status__in=UNFINISHED).count()


def without(first_id: int, last_id: int, known: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of first_id..last_id that none of the `known` ranges covers (all bounds included)."""
    parts, position = [], first_id
    for known_first, known_last in sorted(known):
        if known_first > position:
            parts.append((position, min(known_first - 1, last_id)))
        position = max(position, known_last + 1)
    if position <= last_id:
        parts.append((position, last_id))
    return parts
