"""Gap rows: opening them for what was found missing, without what is known already, and their changes of state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from collectors.messages import GapFound
from collectors.models import GAP_STATES, UNFINISHED, Gap, GapStatus, Symbol


def open_gaps(found: Iterable[GapFound]) -> int:
    """Write gaps down; ids of a gap that is not closed, or that are absent upstream, are left out.

    What was recovered and is missing again is a new gap.
    Returns how many rows were made. Raises django.db.OperationalError while Postgres is away: call again with the same.
    """
    made = 0
    for gap in found:
        symbol = Symbol.objects.filter(name=gap.symbol).order_by("-onboard_date").first()
        if symbol is None:
            continue
        known = Gap.objects.filter(
            symbol=symbol,
            first_id__lte=gap.last_id,
            last_id__gte=gap.first_id,
            status__in=(*UNFINISHED, GapStatus.ABSENT_UPSTREAM),
        )
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


def take_up(gaps: Iterable[Gap]) -> None:
    """Gaps that are open are being recovered from now on."""
    Gap.objects.filter(pk__in=[gap.pk for gap in gaps], status=GapStatus.OPEN).update(
        status=GapStatus.RECOVERING, updated_at=Now()
    )


def mark_recovered(gap: Gap, evidence: Mapping[str, Any]) -> bool:
    """Its trades are stored; whether this call changed it. Raises IllegalTransition when it may not be."""
    return _change(gap, GapStatus.RECOVERED, evidence)


def mark_absent(gap: Gap, evidence: Mapping[str, Any]) -> bool:
    """The exchange itself lacks its ids, and `evidence` says how that is known; likewise."""
    return _change(gap, GapStatus.ABSENT_UPSTREAM, evidence)


def reopen(gap: Gap, reason: str) -> bool:
    """It waits to be recovered (again); likewise."""
    return _change(gap, GapStatus.OPEN, {"reopened": reason})


def settle(gap: Gap, absent: Sequence[tuple[int, int, Mapping[str, Any]]], *, still_missing: bool) -> None:
    """What an attempt to recover a gap came to.

    `absent`: ranges inside the gap, ascending, that are proved absent upstream, each with its evidence;
    `still_missing`: other ids are neither stored nor proved absent, so that the gap is open again. A gap that is absent
    in parts becomes recovered, and each of these parts a gap of its own that is absent upstream.
    """
    with transaction.atomic():
        gap.refresh_from_db()
        if still_missing:
            if gap.status == GapStatus.RECOVERING:
                reopen(gap, "a recovery could not fill all of it")
            return
        if not without(gap.first_id, gap.last_id, [(first, last) for first, last, _ in absent]):
            parts = [{**evidence, "ids": [first, last]} for first, last, evidence in absent]
            mark_absent(gap, parts[0] if len(parts) == 1 else {"source": "several", "parts": parts})
            return
        ranges = [[first, last] for first, last, _ in absent]
        if mark_recovered(gap, {"absent": ranges} if ranges else {}):
            for first, last, evidence in absent:
                Gap.objects.create(
                    symbol_id=gap.symbol_id,
                    first_id=first,
                    last_id=last,
                    before_ms=gap.before_ms,
                    after_ms=gap.after_ms,
                    cause=gap.cause,
                    status=GapStatus.ABSENT_UPSTREAM,
                    evidence={**evidence, "part_of": [gap.first_id, gap.last_id]},
                )


def _change(gap: Gap, status: GapStatus, evidence: Mapping[str, Any]) -> bool:
    """Compare and set: nothing happens when somebody else changed it since it was read."""
    GAP_STATES.check(gap.status, status)
    merged = {**gap.evidence, **evidence}
    done = Gap.objects.filter(pk=gap.pk, status=gap.status).update(status=status, evidence=merged, updated_at=Now())
    if done:
        gap.status, gap.evidence = status, merged
    return bool(done)
