"""Gap rows: what workers found missing, without what is known already, and what becomes of it (GAP_STATES).

A gap is where recovery stores trades, so no live collector may store any there. Whoever has a shard keeps that for what
it reports itself; a worker that lost its shard and does not know it yet calls missing what the new owner just received.

A change of state is a compare-and-set: it is made only if the row still is in the state, and has the ids, that the
caller's object says, and that object then shows the new one. Every function raises django.db.Error while Postgres is
away: call again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from collectors.contracts import newest_contracts
from collectors.messages import GapFound
from collectors.models import GAP_STATES, UNFINISHED, Gap, GapCause, GapStatus, ShardLease, Symbol
from dataprovider.clickhouse.shards import shard_of

logger = logging.getLogger(__name__)

#: What was recovered and is missing again is a new gap; what waits, is being fetched or does not exist is known.
KNOWN = (*UNFINISHED, GapStatus.ABSENT_UPSTREAM)
#: Batches that cannot be kept come one after the other for as long as that lasts, of every symbol: their gap grows by
#: the next, up to so many ids, instead of there being a row for each.
GROWING = (GapCause.SPOOL_FULL, GapCause.REFUSED)
MOST_GROWN = 10_000
#: How many of the reasons for which a gap was opened again, and of its earlier evidence, are kept.
MOST_KEPT = 20

#: First id, last id (both included), and how the exchange was seen to lack them.
Absent = tuple[int, int, Mapping[str, Any]]


def open_gaps(found: Iterable[GapFound]) -> int:
    """Write gaps down; ids that another gap of the symbol covers (KNOWN) are left out.

    So is what a worker found under an epoch of its shard that is over: whoever has a later one has read since then what
    is stored, and looks for what is missing itself. What an open gap goes on with (GROWING) is added to that one.

    Returns how many rows were made. The same may be given again after a failure.
    """
    wanted = _not_superseded(found)
    if not wanted:
        return 0
    names = {gap.symbol for gap in wanted}
    symbols = newest_contracts(names)
    known: dict[str, list[tuple[int, int]]] = {}
    rows = Gap.objects.filter(
        symbol__in=symbols.values(), last_id__gte=min(gap.first_id for gap in wanted), status__in=KNOWN
    )
    for name, first_id, last_id in rows.values_list("symbol__name", "first_id", "last_id"):
        known.setdefault(name, []).append((first_id, last_id))
    parts = uncovered([gap for gap in wanted if gap.symbol in symbols], known)
    with transaction.atomic():
        made, grown = _rows(parts, symbols)
        Gap.objects.bulk_update(grown, ["last_id", "after_ms", "updated_at"])
        Gap.objects.bulk_create(made)
    return len(made)


def continues(gap: Gap, found: GapFound) -> bool:
    """Whether what was found is added to this gap of its symbol: what somebody recovers already stays as it is."""
    return (
        gap.status == GapStatus.OPEN
        and gap.cause == found.cause
        and found.cause in GROWING
        and gap.last_id + 1 == found.first_id
        and found.last_id - gap.first_id < MOST_GROWN
    )


def _rows(parts: list[GapFound], symbols: Mapping[str, Symbol]) -> tuple[list[Gap], list[Gap]]:
    """New rows for these parts, and rows that are there and end later now; those are locked."""
    before = [part.first_id - 1 for part in parts if part.cause in GROWING]
    ends = (
        Gap.objects.select_for_update(of=("self",))
        .select_related("symbol")
        .filter(symbol__in=symbols.values(), status=GapStatus.OPEN, last_id__in=before)
    )
    tips = {(gap.symbol.name, gap.last_id): gap for gap in ends} if before else {}
    made: list[Gap] = []
    grown: dict[int, Gap] = {}
    for part in parts:
        tip = tips.get((part.symbol, part.first_id - 1))
        if tip is not None and continues(tip, part):
            tip.last_id, tip.after_ms, tip.updated_at = part.last_id, part.after_ms, timezone.now()
            if tip.pk is not None:
                grown[tip.pk] = tip
        else:
            tip = Gap(
                symbol=symbols[part.symbol],
                first_id=part.first_id,
                last_id=part.last_id,
                before_ms=part.before_ms,
                after_ms=part.after_ms,
                cause=part.cause,
                evidence=part.evidence,
            )
            made.append(tip)
        tips[part.symbol, tip.last_id] = tip
    return made, list(grown.values())


def _not_superseded(found: Iterable[GapFound]) -> list[GapFound]:
    """Those whose finder has its shard, or had it last."""
    wanted = list(found)
    if all(gap.epoch is None for gap in wanted):
        return wanted
    epochs = dict(ShardLease.objects.values_list("shard", "epoch"))
    current = [gap for gap in wanted if is_current(gap, epochs.get(shard_of(gap.symbol), 0))]
    if len(current) < len(wanted):
        logger.info("%d gaps are left to the new owners of their shards.", len(wanted) - len(current))
    return current


def is_current(gap: GapFound, epoch: int) -> bool:
    """Whether a gap may be written down while its shard is at `epoch`."""
    return gap.epoch is None or gap.epoch >= epoch


def uncovered(found: Iterable[GapFound], known: dict[str, list[tuple[int, int]]]) -> list[GapFound]:
    """The parts of `found` that neither `known` (symbol -> first and last id) nor one before them covers."""
    parts = []
    for gap in found:
        covered = known.setdefault(gap.symbol, [])
        for first_id, last_id in without(gap.first_id, gap.last_id, covered):
            covered.append((first_id, last_id))
            parts.append(replace(gap, first_id=first_id, last_id=last_id))
    return parts


def count_open_gaps() -> int:
    """How many gaps are not closed."""
    return Gap.objects.filter(status__in=UNFINISHED).count()


def without(first_id: int, last_id: int, known: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of first_id..last_id that none of the `known` ranges covers (all bounds included)."""
    parts, position = [], first_id
    for known_first, known_last in sorted(known):
        if known_first > last_id:
            break
        if known_first > position:
            parts.append((position, known_first - 1))
        position = max(position, known_last + 1)
    if position <= last_id:
        parts.append((position, last_id))
    return parts


def take_up(gaps: Iterable[Gap]) -> list[Gap]:
    """Open gaps are being recovered from now on; those that this call took: not what another was quicker with.

    Those that are being recovered already stay so. Raises IllegalTransition for one that is closed, before any is
    changed.
    """
    wanted = [gap for gap in gaps if gap.status != GapStatus.RECOVERING]
    for gap in wanted:
        GAP_STATES.check(gap.status, GapStatus.RECOVERING)
    return [gap for gap in wanted if _change(gap, GapStatus.RECOVERING, {})]


def mark_recovered(gap: Gap, evidence: Mapping[str, Any]) -> bool:
    """Its trades are in the table; whether this call changed it. Raises IllegalTransition when it may not be."""
    return _change(gap, GapStatus.RECOVERED, evidence)


def mark_absent(gap: Gap, evidence: Mapping[str, Any]) -> bool:
    """The exchange itself lacks its ids, and `evidence` says how that is known; likewise."""
    return _change(gap, GapStatus.ABSENT_UPSTREAM, evidence)


def reopen(gap: Gap, reason: str) -> bool:
    """It waits to be recovered (again), for `reason`; likewise."""
    GAP_STATES.check(gap.status, GapStatus.OPEN)
    reasons = [*gap.evidence.get("reopened", []), {"at": timezone.now().isoformat(), "reason": reason}]
    return _change(gap, GapStatus.OPEN, {"reopened": reasons[-MOST_KEPT:]})


def settle(gap: Gap, absent: Iterable[Absent], still_missing: bool) -> bool:
    """What an attempt to recover a gap came to; whether this call changed it. One that is closed meanwhile stays so,
    and one that has grown stays open.

    `still_missing`: ids of it are neither stored nor known to be absent; then it is open again. Otherwise it is
    recovered; or absent, when `absent` covers all of it; or, when that covers parts, it is recovered, names them in its
    evidence, and each part becomes an absent gap of its own with the part's evidence. What lies outside is ignored.
    """
    with transaction.atomic():
        row = Gap.objects.select_for_update().filter(pk=gap.pk, status__in=UNFINISHED).first()
        if row is None:
            return False
        gap.status, gap.evidence = row.status, row.evidence
        if still_missing:
            return gap.status == GapStatus.RECOVERING and reopen(gap, "Some of its trades are still missing.")
        status, parts = verdict_on(gap, absent)
        if status == GapStatus.ABSENT_UPSTREAM:
            return mark_absent(gap, _joined(parts))
        if not mark_recovered(gap, {"absent": [[first, last] for first, last, _ in parts]} if parts else {}):
            return False
        Gap.objects.bulk_create(
            Gap(
                symbol_id=gap.symbol_id,
                first_id=first,
                last_id=last,
                before_ms=gap.before_ms,
                after_ms=gap.after_ms,
                cause=gap.cause,
                status=GapStatus.ABSENT_UPSTREAM,
                evidence={**evidence, "part_of": [gap.first_id, gap.last_id]},
            )
            for first, last, evidence in parts
        )
        return True


def verdict_on(gap: Gap, absent: Iterable[Absent]) -> tuple[GapStatus, list[Absent]]:
    """What a gap of which nothing is missing any more is closed as, and the absent parts in it, ascending."""
    parts = _inside(gap, absent)
    if parts and sum(last - first + 1 for first, last, _ in parts) == gap.size:
        return GapStatus.ABSENT_UPSTREAM, parts
    return GapStatus.RECOVERED, parts


def _change(gap: Gap, status: GapStatus, evidence: Mapping[str, Any]) -> bool:
    """One step, if the row has not moved on."""
    GAP_STATES.check(gap.status, status)
    merged = _merged(gap.evidence, evidence)
    row = Gap.objects.filter(pk=gap.pk, status=gap.status, last_id=gap.last_id)
    if not row.update(status=status, evidence=merged, updated_at=Now()):
        return False
    gap.status, gap.evidence = status, merged
    return True


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Both; where they disagree the new one counts and the old one is kept in the list `earlier`."""
    replaced = {key: old[key] for key in new if key in old and key != "reopened" and old[key] != new[key]}
    merged = {**old, **new}
    if replaced:
        merged["earlier"] = [*old.get("earlier", []), replaced][-MOST_KEPT:]
    return merged


def _inside(gap: Gap, absent: Iterable[Absent]) -> list[Absent]:
    """The absent ranges as far as they lie in the gap: ascending, and no id twice."""
    parts: list[Absent] = []
    for first, last, evidence in sorted(absent, key=lambda each: each[:2]):
        low, high = max(first, gap.first_id), min(last, gap.last_id)
        if low <= high:
            taken = [(each[0], each[1]) for each in parts]
            parts.extend((*piece, evidence) for piece in without(low, high, taken))
    return parts


def _joined(parts: list[Absent]) -> Mapping[str, Any]:
    """The evidence for a whole gap: that of its only part, or that of each."""
    if len(parts) == 1:
        return parts[0][2]
    return {
        "source": "several",
        "parts": [{**evidence, "ids": [first, last]} for first, last, evidence in parts],
    }
