"""When trades happened that are known by their ids."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dataprovider.clickhouse import ClickHouse
from integrity.checks.ids import Range

#: So many ids are looked up together.
AT_ONCE = 100


def times_of(store: ClickHouse, symbol: str, ids: Iterable[int]) -> dict[int, int]:
    """Id -> time (ms) of the first trade under it; ids that are not stored are left out. Raises ClickHouseError."""
    return {number: times[0] for number, times in _spans(store, symbol, ids).items()}


def times_around(store: ClickHouse, symbol: str, holes: Sequence[Range]) -> list[tuple[int | None, int | None]]:
    """For each hole the times (ms) of the trades before and after it; None where that is not stored either."""
    found = _spans(store, symbol, (each for first, last in holes for each in (first - 1, last + 1)))
    none = (None, None)
    return [(found.get(first - 1, none)[1], found.get(last + 1, none)[0]) for first, last in holes]


def _spans(store: ClickHouse, symbol: str, ids: Iterable[int]) -> dict[int, tuple[int, int]]:
    wanted = sorted({each for each in ids if each >= 0})
    found: dict[int, tuple[int, int]] = {}
    for start in range(0, len(wanted), AT_ONCE):
        rows = store.query("times_of_ids", symbol=symbol, ids=wanted[start : start + AT_ONCE])
        found |= {int(number): (int(first), int(last)) for number, first, last in rows}
    return found
