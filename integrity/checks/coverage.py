"""The certificate of a symbol: which ids are stored, with fingerprints that can be computed again, and the verdicts.

Ranges come from the store itself at the moment of asking: whole days from the projection, and only days that have a
hole from their rows. The verdicts are those of the last integrity check.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db.models import Sum

from collectors.contracts import newest_contract
from collectors.models import UNFINISHED, Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.checks.ids import MODULUS, Range, Run, Slice, common, overlapping, united
from integrity.checks.read import DAY
from integrity.checks.times import times_of
from integrity.models import MonthCheck, SymbolTrust

#: Within ClickHouse's DateTime.
END_OF_TIME = 4_294_967_295
#: So many ranges are served at a time.
MOST_RANGES = 1_000


@dataclass(frozen=True, slots=True)
class Covered:
    """Ids first_id..last_id, all stored. fingerprint: sumWithOverflow of agg_id_projection's hash over its rows."""

    first_id: int
    last_id: int
    rows: int
    fingerprint: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """What Postgres knows of a symbol: its trust point, its gaps, and what its months' checks found."""

    listed: bool
    trust: SymbolTrust | None
    absent: list[tuple[int, int, dict[str, Any]]]
    open_gaps: list[Gap]
    twins: int
    holes: list[Range]


def evidence_of(name: str) -> Evidence:
    """The evidence for a symbol, empty for one that is not listed. Raises django.db.Error."""
    symbol = newest_contract(name)
    if symbol is None:
        return Evidence(listed=False, trust=None, absent=[], open_gaps=[], twins=0, holes=[])
    gaps = Gap.objects.filter(symbol=symbol).order_by("first_id", "last_id")
    checks = MonthCheck.objects.filter(symbol=symbol).order_by("month")
    return Evidence(
        listed=True,
        trust=SymbolTrust.objects.filter(pk=symbol.pk).first(),
        absent=[
            (gap.first_id, gap.last_id, dict(gap.evidence)) for gap in gaps.filter(status=GapStatus.ABSENT_UPSTREAM)
        ],
        open_gaps=list(gaps.filter(status__in=UNFINISHED)),
        twins=checks.aggregate(twins=Sum("twins"))["twins"] or 0,
        holes=united(
            (one[1] + 1, other[0] - 1)
            for runs in checks.values_list("runs", flat=True)
            for one, other in pairwise(runs)
            if one[1] + 1 < other[0]
        ),
    )


def absent_between(name: str, first_id: int, last_id: int) -> list[Range]:
    """The ids of first_id..last_id that the exchange itself does not have: ranges, ascending and apart."""
    symbol = newest_contract(name)
    gaps = Gap.objects.filter(
        symbol=symbol, status=GapStatus.ABSENT_UPSTREAM, first_id__lte=last_id, last_id__gte=first_id
    )
    return united(gaps.values_list("first_id", "last_id"))


def runs_between(name: str, first_id: int, last_id: int) -> list[Run]:
    """The runs of stored ids that meet first_id..last_id, of days that were read row by row."""
    checks = MonthCheck.objects.filter(symbol=newest_contract(name), first_id__lte=last_id, last_id__gte=first_id)
    runs = [Run(*run) for each in checks.order_by("month").values_list("runs", flat=True) for run in each]
    return [run for run in runs if run.first_id <= last_id and run.last_id >= first_id]


def first_of_all(name: str) -> int | None:
    """The id of a symbol's first trade, if it is known that nothing comes before it."""
    trust = SymbolTrust.objects.filter(pk=getattr(newest_contract(name), "pk", None)).first()
    return trust.first_id if trust is not None and (trust.origin or trust.first_id <= 1) else None


def covered_ranges(store: ClickHouse, name: str, holes: Sequence[Range] = ()) -> list[Covered]:
    """The stored ids of a symbol as ranges without a hole, ascending. Raises ClickHouseError.

    `holes`: what checks found missing; a day that holds one is read even if its count and sum do not show it.
    """
    days = [Slice(*map(int, row)) for row in store.query("symbol_days", symbol=name, since=0, until=END_OF_TIME)]
    together = overlapping(days)
    pieces: list[Covered] = []
    for index, day in enumerate(days):
        if day.looks_whole and index not in together and not common(holes, [(day.first_id, day.last_id)]):
            pieces.append(Covered(day.first_id, day.last_id, day.rows, day.fingerprint))
        else:
            rows = store.query("day_runs", symbol=name, since=day.start, until=day.start + DAY)
            pieces += [Covered(*map(int, row)) for row in rows]
    return _joined(sorted(pieces, key=lambda each: each.first_id))


def certificate(store: ClickHouse, name: str, evidence: Evidence, *, from_id: int = 0) -> dict[str, Any] | None:
    """The certificate as it is served (api/shapes.py), None when the symbol is neither stored nor listed.

    `ranges` are the first MOST_RANGES that reach `from_id`; more are asked for from `next_from_id` on. Raises
    ClickHouseError.
    """
    ranges = covered_ranges(store, name, evidence.holes)
    if not ranges and not evidence.listed:
        return None
    wanted = [each for each in ranges if each.last_id >= from_id]
    shown = wanted[:MOST_RANGES]
    ends = {each for one in shown for each in (one.first_id, one.last_id)}
    if ranges:
        ends |= {ranges[0].first_id, ranges[-1].last_id}
    times = times_of(store, name, ends)
    trust = evidence.trust
    return {
        "symbol": name,
        "first_id": ranges[0].first_id if ranges else None,
        "first_time": times.get(ranges[0].first_id) if ranges else None,
        "last_id": ranges[-1].last_id if ranges else None,
        "last_time": times.get(ranges[-1].last_id) if ranges else None,
        "rows": sum(each.rows for each in ranges),
        "trust_id": trust.trust_id if trust else None,
        "trust_time": trust.trust_ms if trust else None,
        "checked_at": int(trust.checked_at.timestamp() * 1000) if trust else None,
        "origin": trust.origin if trust and trust.origin else None,
        "missing": trust.missing if trust else None,
        "duplicates": trust.duplicates if trust else None,
        "twins": evidence.twins,
        "ranges": [_range(each, times) for each in shown],
        "next_from_id": wanted[MOST_RANGES].first_id if len(wanted) > MOST_RANGES else None,
        "absent_upstream": [
            {"first_id": first, "last_id": last, "evidence": how} for first, last, how in evidence.absent
        ],
        "open_gaps": [
            {"first_id": gap.first_id, "last_id": gap.last_id, "status": gap.status, "cause": gap.cause}
            for gap in evidence.open_gaps
        ],
    }


def summary() -> list[dict[str, Any]]:
    """How far each symbol can be trusted, by name, as the last check left it. Raises django.db.Error."""
    return [
        {
            "symbol": trust.symbol.name,
            "first_id": trust.first_id,
            "last_id": trust.last_id,
            "trust_id": trust.trust_id,
            "trust_time": trust.trust_ms,
            "rows": trust.rows,
            "missing": trust.missing,
            "duplicates": trust.duplicates,
            "absent": trust.absent,
            "checked_at": int(trust.checked_at.timestamp() * 1000),
        }
        for trust in SymbolTrust.objects.select_related("symbol").order_by("symbol__name")
    ]


def _range(each: Covered, times: dict[int, int]) -> dict[str, Any]:
    return {
        "first_id": each.first_id,
        "last_id": each.last_id,
        "first_time": times.get(each.first_id),
        "last_time": times.get(each.last_id),
        "rows": each.rows,
        "fingerprint": str(each.fingerprint),
    }


def _joined(pieces: Iterable[Covered]) -> list[Covered]:
    """Pieces, ascending by first id, in as few ranges as can be."""
    found: list[Covered] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last is not None and piece.first_id <= last.last_id + 1:
            found[-1] = Covered(
                last.first_id,
                max(last.last_id, piece.last_id),
                last.rows + piece.rows,
                (last.fingerprint + piece.fingerprint) % MODULUS,
            )
        else:
            found.append(piece)
    return found
