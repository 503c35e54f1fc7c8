"""What is to be fetched, in which pieces, and from where: the decisions of recovery. Plain functions, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

DAY_MS = 86_400_000
#: What one REST page holds: gaps closer than this cost one request together.
PAGE = 1000
#: From so many missing trades on, one download is cheaper than their pages of the REST budget (20 weight each).
WORTH_A_DOWNLOAD = 20_000
#: Aggregate ids first..last, both included.
Range = tuple[int, int]


class Way(StrEnum):
    """How the next piece of a range of missing ids is fetched."""

    REST = "rest"
    ARCHIVE = "archive"
    WAIT = "wait"  # too old for REST, and its archive is not there yet


@dataclass(frozen=True, slots=True)
class Missing:
    """A gap as the planner sees it."""

    key: int
    symbol: str
    first_id: int
    last_id: int
    newest_ms: int


def clustered(gaps: Iterable[Missing], distance: int = PAGE) -> list[list[Missing]]:
    """Gaps of one symbol that lie within one REST page of each other, together; each cluster ascending."""
    clusters: list[list[Missing]] = []
    for gap in sorted(gaps, key=lambda each: (each.symbol, each.first_id)):
        last = clusters[-1][-1] if clusters else None
        if last is not None and last.symbol == gap.symbol and gap.first_id - last.last_id <= distance:
            clusters[-1].append(gap)
        else:
            clusters.append([gap])
    return clusters


def joined(one: Range, other: Range, *, most: int, distance: int = PAGE) -> Range | None:
    """Both as one range, where they lie within one REST page of each other and it has at most `most` ids."""
    first, last = min(one[0], other[0]), max(one[1], other[1])
    apart = max(one[0], other[0]) - min(one[1], other[1])
    return (first, last) if apart <= distance and last - first < most else None


def next_way(
    *,
    oldest_ms: int | None,
    missing: int,
    day_is_over: bool,
    archive_failed: bool,
    now_ms: int,
    look_back_ms: int,
    source: str,
) -> Way:
    """How to fetch the beginning of a range of `missing` ids.

    `oldest_ms`: no missing trade is older (None: not known). `day_is_over`: of that day, by the exchange's clock, so
    that its archive may be there; `archive_failed`: it was tried and is not there, or cannot be used. `source`: auto,
    rest or archive.
    """
    reachable = oldest_ms is None or now_ms - oldest_ms < look_back_ms
    downloadable = day_is_over and not archive_failed
    if source == "rest":
        return Way.REST if reachable else Way.WAIT
    if source == "archive":
        return Way.ARCHIVE if downloadable else Way.WAIT
    if reachable and (missing <= WORTH_A_DOWNLOAD or not downloadable):
        return Way.REST
    return Way.ARCHIVE if downloadable else Way.WAIT


def day_of(ms: int) -> date:
    """The UTC day of a time in ms."""
    return datetime.fromtimestamp(ms / 1000, UTC).date()


def start_of(day: date) -> int:
    """The first millisecond of a UTC day."""
    return (day - date(1970, 1, 1)).days * DAY_MS


def days_between(first: date, last: date) -> list[date]:
    """Both included, ascending."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def months(first: date, last: date) -> list[tuple[date, date]]:
    """The days first..last cut at the ends of months."""
    found = []
    while first <= last:
        end = min(last, (first.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1))
        found.append((first, end))
        first = end + timedelta(days=1)
    return found


def within(ranges: Iterable[Range], bounds: Sequence[Range]) -> list[Range]:
    """The parts of `ranges` that lie in `bounds`; both ascending."""
    found = []
    for first, last in ranges:
        for low, high in bounds:
            if low <= last and high >= first:
                found.append((max(first, low), min(last, high)))
    return found


def without(ranges: Iterable[Range], gone: Iterable[Range]) -> list[Range]:
    """The parts of `ranges` that lie in none of `gone`."""
    found = list(ranges)
    for low, high in gone:
        parts: list[Range] = []
        for first, last in found:
            if high < first or low > last:
                parts.append((first, last))
                continue
            if first < low:
                parts.append((first, low - 1))
            if last > high:
                parts.append((high + 1, last))
        found = parts
    return found


def size(ranges: Iterable[Range]) -> int:
    """How many ids."""
    return sum(last - first + 1 for first, last in ranges)
