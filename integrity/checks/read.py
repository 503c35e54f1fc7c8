"""Looking closer at a month of a symbol: from its days to their rows, and to single minutes only where it must be."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dataprovider.clickhouse import ClickHouse
from integrity.checks.ids import MODULUS, Repeats, Run, Slice, hashes_of, joined, overlapping, runs_of

logger = logging.getLogger(__name__)

DAY = 86_400
#: One pass over rows takes in whole days, up to about so many rows: then it is asked whether to stop.
ROWS_AT_ONCE = 20_000_000


class Interrupted(Exception):
    """The check was told to stop."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What may be judged of a day that trades are still added to, all its minutes before some time taken together.

    tangled: how many of these minutes do not look whole. last_minute: the newest of them (s).
    """

    whole: Slice
    tangled: int
    last_minute: int


@dataclass(frozen=True, slots=True)
class Arriving:
    """Where a symbol's trades still arrive: days (s) that end after `until` (s) are open, later minutes not judged."""

    until: int
    settled: tuple[Settled, ...] = ()

    def is_open(self, day: int) -> bool:
        """Whether trades may still be added to a day."""
        return day + DAY > self.until

    def within(self, since: int, until: int) -> tuple[Settled, ...]:
        """What is settled of the days in [since, until)."""
        return tuple(each for each in self.settled if since <= each.whole.start < until)


@dataclass(frozen=True, slots=True)
class Known:
    """The first days of a month that were read row by row: how many, their fingerprint, the runs of their ids."""

    days: int = 0
    fingerprint: int = 0
    runs: tuple[Run, ...] = ()


@dataclass(frozen=True, slots=True)
class Unread:
    """A month [since, until) (s) that is to be looked at: its days that have trades, ascending, and what is known."""

    since: int
    until: int
    days: Sequence[Slice]
    known: Known = Known()


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

    def read(self, months: Sequence[Unread], arriving: Arriving | None, *, prove_open: bool = False) -> list[MonthRead]:
        """What these months hold. Days that are known, and unchanged by their fingerprint, are not read again.

        With `prove_open` what is settled of open days is read row by row as well.
        """
        found = []
        hashes: dict[int, int | None] = {}
        plans = [_plan(month, arriving) for month in months]
        for group in _grouped([day for _, unread in plans for day in unread]):
            hashes |= self._hashes(group)
        for month, (known, unread) in zip(months, plans, strict=True):
            settled = arriving.within(month.since, month.until) if arriving is not None else ()
            found.append(self._month(known, unread, hashes, settled, arriving, prove_open=prove_open))
        return found

    def _month(
        self,
        known: Known,
        unread: Sequence[Slice],
        hashes: Mapping[int, int | None],
        settled: Sequence[Settled],
        arriving: Arriving | None,
        *,
        prove_open: bool,
    ) -> MonthRead:
        proved, fingerprint = known.days, known.fingerprint
        runs, later = list(known.runs), list[Run]()
        unbroken = True
        for day in unread:
            found, sure = self._day(day, hashes[day.start])
            unbroken = unbroken and sure
            if unbroken:
                proved += 1
                fingerprint = (fingerprint + day.fingerprint) % MODULUS
                runs += found
            else:
                later += found
        for each in settled:
            assert arriving is not None
            later += self._open(each, min(arriving.until, each.whole.start + DAY), prove=prove_open)
        return MonthRead(Known(proved, fingerprint, tuple(joined(runs))), joined(later))

    def _hashes(self, days: Sequence[Slice]) -> dict[int, int | None]:
        """Day -> its ids' hashes; None where it changed since its projection was read."""
        self._check_stop()
        rows = self._store.query(
            "check_id_hashes", symbol=self._symbol, since=days[0].start, until=days[-1].start + DAY
        )
        self.rows_read += sum(int(row[1]) for row in rows)
        found = {int(row[0]): (_slice(row), int(row[5])) for row in rows}
        hashes: dict[int, int | None] = {}
        for day in days:
            seen, total = found.get(day.start, (None, 0))
            hashes[day.start] = total if seen is not None and _same(seen, day) else None
        return hashes

    def _open(self, settled: Settled, until: int, *, prove: bool) -> list[Run]:
        whole, hashes = settled.whole, None
        if prove:
            self._check_stop()
            rows = self._store.query("check_id_hashes", symbol=self._symbol, since=whole.start, until=until)
            self.rows_read += whole.rows
            if rows and _same(_slice(rows[0]), whole):
                hashes = int(rows[0][5])
        if whole.is_whole(hashes) if hashes is not None else whole.looks_whole and not settled.tangled:
            return [Run.whole(whole.first_id, whole.last_id)]
        return self._details(whole.start, until, hashes)[0]

    def _day(self, day: Slice, hashes: int | None) -> tuple[list[Run], bool]:
        """The runs of a day, and whether they are certain."""
        if hashes is not None and day.is_whole(hashes):
            return [Run.whole(day.first_id, day.last_id)], True
        return self._details(day.start, day.start + DAY, hashes)

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


def _plan(month: Unread, arriving: Arriving | None) -> tuple[Known, Sequence[Slice]]:
    """What is known of a month, as far as it is unchanged, and the closed days that are to be read."""
    closed = [day for day in month.days if arriving is None or not arriving.is_open(day.start)]
    known = month.known
    first_days = closed[: known.days]
    if len(first_days) < known.days or sum(day.fingerprint for day in first_days) % MODULUS != known.fingerprint:
        known = Known()
    return known, closed[known.days :]


def _grouped(days: Sequence[Slice]) -> Iterator[list[Slice]]:
    """Days that are read together: not too many rows, and nothing much in between."""
    group: list[Slice] = []
    rows = 0
    for day in days:
        if group and (rows + day.rows > ROWS_AT_ONCE or day.start - group[-1].start > 7 * DAY):
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
