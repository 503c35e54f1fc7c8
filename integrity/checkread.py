"""Looking closer at a month of a symbol: from its days to their rows, and to single minutes only where it must be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dataprovider.clickhouse import ClickHouse
from integrity.checkids import MODULUS, Repeats, Run, Slice, hashes_of, joined, overlapping, runs_of

logger = logging.getLogger(__name__)

DAY = 86_400
#: One pass over rows takes in whole days, up to about so many rows: then it is asked whether to stop.
ROWS_AT_ONCE = 20_000_000


class Interrupted(Exception):
    """The check was told to stop."""


@dataclass(frozen=True, slots=True)
class Open:
    """A day that trades are still added to: only its minutes before `until` (s) are judged, which `settled` sums up.

    settled: None when nothing of the day can be judged yet. tangled: how many of its minutes do not look whole.
    """

    day: int
    until: int
    settled: Slice | None = None
    tangled: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """The first days of a month that were read row by row: how many, their fingerprint, the runs of their ids."""

    days: int = 0
    fingerprint: int = 0
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class MonthRead:
    """What a month holds. `known`: of its first days, to be remembered; `later`: of those after them."""

    known: Known
    later: list[Run] = field(default_factory=list)

    @property
    def runs(self) -> list[Run]:
        """All of them."""
        return [*self.known.runs, *self.later]


class MonthReader:
    """Reads months of one symbol. Raises Interrupted when `stop` says so, and ClickHouseError."""

    def __init__(self, store: ClickHouse, symbol: str, stop: Callable[[], bool]) -> None:
        self._store = store
        self._symbol = symbol
        self._stop = stop
        self.rows_read = 0

    def read(
        self, days: Sequence[Slice], known: Known, opens: Sequence[Open], *, prove_open: bool = False
    ) -> MonthRead:
        """What these days, all of the month that have trades, ascending, hold.

        Days that are `known`, and unchanged by their fingerprint, are not read again. With `prove_open` the settled
        part of open days is read row by row as well.
        """
        open_days = {each.day: each for each in opens}
        closed = [day for day in days if day.start not in open_days]
        if not _is_unchanged(known, closed):
            known = Known()
        unread = closed[known.days :]
        proved, proved_fingerprint = known.days, known.fingerprint
        runs, later = list(known.runs), list[Run]()
        unbroken = True
        for day, hashes in self._hashes(unread):
            found, sure = self._day(day, hashes, day.start + DAY)
            unbroken = unbroken and sure
            if unbroken:
                proved += 1
                proved_fingerprint = (proved_fingerprint + day.fingerprint) % MODULUS
                runs += found
            else:
                later += found
        for each in opens:
            later += self._open(each, prove=prove_open)
        return MonthRead(Known(proved, proved_fingerprint, tuple(joined(runs))), joined(later))

    def _hashes(self, days: Sequence[Slice]) -> Iterator[tuple[Slice, int | None]]:
        """Each day with its ids' hashes; None where it changed since its projection was read."""
        for group in _grouped(days):
            self._check_stop()
            rows = self._store.query(
                "check_id_hashes", symbol=self._symbol, since=group[0].start, until=group[-1].start + DAY
            )
            self.rows_read += sum(int(row[1]) for row in rows)
            found = {int(row[0]): (_slice(row), int(row[5])) for row in rows}
            for day in group:
                seen, hashes = found.get(day.start, (None, 0))
                yield day, hashes if seen is not None and _same(seen, day) else None

    def _open(self, each: Open, *, prove: bool) -> list[Run]:
        settled = each.settled
        if settled is None:
            return []
        hashes = None
        if prove:
            self._check_stop()
            rows = self._store.query(
                "check_id_hashes", symbol=self._symbol, since=each.day, until=min(each.until, each.day + DAY)
            )
            if rows and _same(_slice(rows[0]), settled):
                hashes = int(rows[0][5])
            if hashes is not None and settled.is_whole(hashes):
                return [Run.whole(settled.first_id, settled.last_id)]
        elif settled.looks_whole and not each.tangled:
            return [Run.whole(settled.first_id, settled.last_id)]
        return self._details(each.day, min(each.until, each.day + DAY), hashes)[0]

    def _day(self, day: Slice, hashes: int | None, until: int) -> tuple[list[Run], bool]:
        """The runs of a day, and whether they are certain."""
        if hashes is not None and day.is_whole(hashes):
            return [Run.whole(day.first_id, day.last_id)], True
        return self._details(day.start, until, hashes)

    def _details(self, since: int, until: int, hashes: int | None) -> tuple[list[Run], bool]:
        """The runs of the minutes in [since, until), and whether they have the ids' `hashes`, which were found there.

        Minutes that look whole are taken as such first; where the hashes say otherwise, the rows say which are not.
        """
        self._check_stop()
        minutes = [
            _slice(row) for row in self._store.query("symbol_minutes", symbol=self._symbol, since=since, until=until)
        ]
        bad = {index for index, minute in enumerate(minutes) if not minute.looks_whole}
        repeats = self._repeats(minutes, bad)
        if hashes is None or hashes_of(repeats) == hashes:
            return runs_of(repeats), hashes is not None
        rows = self._store.query("check_minute_hashes", symbol=self._symbol, since=since, until=until)
        minutes = [_slice(row) for row in rows]
        bad = {index for index, row in enumerate(rows) if not minutes[index].is_whole(int(row[5]))}
        repeats = self._repeats(minutes, bad)
        found = sum(int(row[5]) for row in rows) % MODULUS
        sure = hashes == found and hashes_of(repeats) == hashes
        if not sure:
            logger.info("%s changed while its day was looked at; it is looked at again next time.", self._symbol)
        return runs_of(repeats), sure

    def _repeats(self, minutes: Sequence[Slice], bad: Iterable[int]) -> list[Repeats]:
        """What minutes hold: from the rows for the `bad` ones and those that share ids with another."""
        unclear = set(bad) | overlapping(minutes)
        whole = [
            Repeats(minute.first_id, minute.last_id) for index, minute in enumerate(minutes) if index not in unclear
        ]
        if not unclear:
            return whole
        self._check_stop()
        starts = [minutes[index].start for index in sorted(unclear)]
        rows = self._store.query("check_runs", symbol=self._symbol, minutes=starts)
        return whole + [Repeats(*map(int, row)) for row in rows]

    def _check_stop(self) -> None:
        if self._stop():
            raise Interrupted


def _is_unchanged(known: Known, closed: Sequence[Slice]) -> bool:
    first_days = closed[: known.days]
    return len(first_days) == known.days and sum(day.fingerprint for day in first_days) % MODULUS == known.fingerprint


def _grouped(days: Sequence[Slice]) -> Iterator[list[Slice]]:
    """Days that are read together."""
    group: list[Slice] = []
    rows = 0
    for day in days:
        if group and rows + day.rows > ROWS_AT_ONCE:
            yield group
            group, rows = [], 0
        group.append(day)
        rows += day.rows
    if group:
        yield group


def _slice(row: Sequence[object]) -> Slice:
    """From (start, rows, smallest id, largest id, sum of ids, …)."""
    start, rows, first_id, last_id, sum_of_ids = (int(str(value)) for value in row[:5])
    return Slice(start, rows, first_id, last_id, sum_of_ids)


def _same(one: Slice, other: Slice) -> bool:
    """Whether they are the same rows: rows are only ever added."""
    return (one.rows, one.first_id, one.last_id, one.sum_of_ids) == (
        other.rows,
        other.first_id,
        other.last_id,
        other.sum_of_ids,
    )
