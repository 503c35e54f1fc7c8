"""The verdict over a symbol, made of the runs of ids that each of its months holds. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from integrity.checks.ids import Range, Run, common, size, without


@dataclass(frozen=True, slots=True)
class MonthIds:
    """What a month of a symbol holds: `runs`, of each stretch that was looked at, ascending by id within it.

    `proved`: nothing will be added to it any more but by a repair, and every day of it was read row by row.
    """

    runs: Sequence[Run]
    proved: bool


@dataclass(slots=True)
class MonthVerdict:
    """How many ids of a month are missing (the trade after the hole is in this month), absent upstream, and so on."""

    missing: int = 0
    absent: int = 0
    duplicates: int = 0
    twins: int = 0
    proved: bool = False


@dataclass(slots=True)
class Verdict:
    """What is known of a symbol.

    first_id, last_id: the ends of what was judged. trust_id: every id from first_id to it is stored, or absent
    upstream. holes: ids that are not stored; missing: those of them that are not known to be absent. overlaps: ids that
    are in two stretches of time (the later one's month): it takes their rows to tell twins from duplicates.
    """

    first_id: int
    last_id: int
    trust_id: int
    holes: list[Range]
    missing: list[Range]
    absent: list[Range]
    overlaps: list[tuple[Range, int]]
    months: list[MonthVerdict] = field(default_factory=list)


def vanished(known: Range | None, stored: Range | None, absent: Sequence[Range]) -> list[Range]:
    """Ids that were stored once, from the first to the last of `known`, and lie before or behind all that is `stored`.

    A hole between stored ids shows by itself; what is cut off at an end only memory can tell.
    """
    if known is None:
        return []
    if stored is None:
        return without([known], absent)
    ends = [(known[0], min(known[1], stored[0] - 1)), (max(known[0], stored[1] + 1), known[1])]
    return without([(first, last) for first, last in ends if first <= last], absent)


def judge(months: Sequence[MonthIds], absent: Sequence[Range], *, begins: bool) -> Verdict | None:
    """The verdict over months in the order of time; None when there is no id at all.

    `absent`: ids that the exchange does not have, ascending and apart. `begins`: it is known that nothing comes before
    the first id. A month is proved when its days are and it touches its neighbours: the newest month never is, since
    nobody knows what belongs to its end.
    """
    pieces = sorted((run.first_id, run.last_id, number) for number, month in enumerate(months) for run in month.runs)
    if not pieces:
        return None
    verdicts = [
        MonthVerdict(duplicates=sum(run.duplicates for run in each.runs), twins=sum(run.twins for run in each.runs))
        for each in months
    ]
    first_id = position = pieces[0][0]
    furthest = pieces[0][2]
    holes: list[Range] = []
    overlaps: list[tuple[Range, int]] = []
    broken: set[int] = set()
    for first, last, number in pieces:
        if first > position:
            hole = (position, first - 1)
            holes.append(hole)
            lost = size(without([hole], absent))
            verdicts[number].missing += lost
            verdicts[number].absent += size([hole]) - lost
            if lost:
                broken |= {number, furthest}
        elif first < position:
            overlaps.append(((first, min(last, position - 1)), number))
        if last >= position:
            position, furthest = last + 1, number
    missing = without(holes, absent)
    last_id = position - 1
    newest = max(number for _, _, number in pieces)
    oldest = min(number for _, _, number in pieces)
    for number, (month, verdict) in enumerate(zip(months, verdicts, strict=True)):
        verdict.proved = (
            month.proved
            and number not in broken
            and not verdict.duplicates
            and number < newest
            and (begins or number > oldest)
        )
    return Verdict(
        first_id=first_id,
        last_id=last_id,
        trust_id=missing[0][0] - 1 if missing else last_id,
        holes=holes,
        missing=missing,
        absent=common(holes, absent),
        overlaps=overlaps,
        months=verdicts,
    )
