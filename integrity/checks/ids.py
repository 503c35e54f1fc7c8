"""The arithmetic of aggregate ids: what a count, bounds and sums say of them, and which are missing. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dataprovider.clickhouse.fingerprint import id_hash_sum

MODULUS = 2**64
#: Aggregate ids first..last, both included.
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Slice:
    """The trades of one symbol in a stretch of time that begins at `start` (s): a minute, a day or a month.

    `sum_of_ids` and `fingerprint` are modulo 2^64.
    """

    start: int
    rows: int
    first_id: int
    last_id: int
    sum_of_ids: int
    fingerprint: int = 0

    @property
    def looks_whole(self) -> bool:
        """Whether count and sum are those of every id from first to last once.

        A missing id and a duplicate together change the sum, but several of them can cancel out: ids 5 and 8 missing,
        6 and 7 there twice. Only the ids' hashes tell.
        """
        return (
            self.rows == self.last_id - self.first_id + 1
            and self.rows * (self.first_id + self.last_id) // 2 % MODULUS == self.sum_of_ids
        )

    def is_whole(self, hashes: int) -> bool:
        """Whether it holds every id from first to last once: certain up to 2^-64. `hashes`: the sum of its ids'."""
        return self.looks_whole and hashes == id_hash_sum(self.first_id, self.last_id)


@dataclass(frozen=True, slots=True)
class Repeats:
    """Ids first_id..last_id, each stored in `rows` rows that are `trades` different trades."""

    first_id: int
    last_id: int
    rows: int = 1
    trades: int = 1

    @property
    def size(self) -> int:
        """How many ids."""
        return self.last_id - self.first_id + 1


@dataclass(frozen=True, slots=True)
class Run:
    """Ids first_id..last_id, every one of them stored, in `rows` rows that are `trades` different trades in all.

    A trade is its aggregate id and its first trade id: the exchange has published two under one aggregate id.
    """

    first_id: int
    last_id: int
    rows: int
    trades: int

    @classmethod
    def whole(cls, first_id: int, last_id: int) -> Run:
        """Every id once."""
        return cls(first_id, last_id, last_id - first_id + 1, last_id - first_id + 1)

    @property
    def duplicates(self) -> int:
        """Rows beyond the first of the same trade."""
        return self.rows - self.trades

    @property
    def twins(self) -> int:
        """Different trades under an id that was used before."""
        return self.trades - (self.last_id - self.first_id + 1)


def hashes_of(repeats: Iterable[Repeats]) -> int:
    """The sum of the ids' hashes, modulo 2^64, as often as each is stored."""
    return sum(each.rows * id_hash_sum(each.first_id, each.last_id) for each in repeats) % MODULUS


def runs_of(repeats: Iterable[Repeats]) -> list[Run]:
    """The runs that these ids (none in two of them) make, ascending."""
    whole = (
        Run(each.first_id, each.last_id, each.size * each.rows, each.size * each.trades)
        for each in sorted(repeats, key=lambda each: each.first_id)
    )
    return joined(whole)


def joined(runs: Iterable[Run]) -> list[Run]:
    """The same ids (ascending, none in two of them) in as few runs as can be."""
    found: list[Run] = []
    for run in runs:
        last = found[-1] if found else None
        if last is not None and run.first_id == last.last_id + 1:
            found[-1] = Run(last.first_id, run.last_id, last.rows + run.rows, last.trades + run.trades)
        else:
            found.append(run)
    return found


def overlapping(slices: Sequence[Slice]) -> set[int]:
    """The indexes of those whose id range meets another's."""
    found: set[int] = set()
    order = sorted(range(len(slices)), key=lambda index: slices[index].first_id)
    furthest = -1
    for index in order:
        if furthest >= 0 and slices[index].first_id <= slices[furthest].last_id:
            found |= {index, furthest}
        if furthest < 0 or slices[index].last_id > slices[furthest].last_id:
            furthest = index
    return found


def common(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """The ids that are in both, as ranges; each side ascending and apart."""
    found = []
    ones, twos = list(ranges), list(others)
    one = two = 0
    while one < len(ones) and two < len(twos):
        first, last = max(ones[one][0], twos[two][0]), min(ones[one][1], twos[two][1])
        if first <= last:
            found.append((first, last))
        if ones[one][1] < twos[two][1]:
            one += 1
        else:
            two += 1
    return found


def without(ranges: Iterable[Range], gone: Iterable[Range]) -> list[Range]:
    """The ids of `ranges` that are in none of `gone`, as ranges; each side ascending, `ranges` apart."""
    found = []
    away = list(gone)
    start = 0
    for first, last in ranges:
        while start < len(away) and away[start][1] < first:
            start += 1
        position = first
        for low, high in away[start:]:
            if low > last or position > last:
                break
            if low > position:
                found.append((position, low - 1))
            position = max(position, high + 1)
        if position <= last:
            found.append((position, last))
    return found


def united(ranges: Iterable[Range]) -> list[Range]:
    """The same ids, ascending and apart."""
    found: list[Range] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def size(ranges: Iterable[Range]) -> int:
    """How many ids."""
    return sum(last - first + 1 for first, last in ranges)
