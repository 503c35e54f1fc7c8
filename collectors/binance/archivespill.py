"""Rows of an archive that wait on disk, a file a day, and are sorted there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collectors.binance.archivedownload import folder_unusable
from collectors.binance.archivename import ArchiveName
from collectors.binance.archiveproblems import ArchiveUnreadable, GaveUp
from collectors.binance.archiverows import ROW, Rows

DAY_MS = 86_400_000
#: Rows handled at once: 13 MB.
CHUNK = 262_144
#: Runs were published twice, and two trades under one id; a thousand under one id are no trades.
MOST_PER_ID = 1000
_KEY = ("aggregate_id", "first_trade_id")
_REST = tuple(name for name in ROW.names or () if name not in _KEY)


@dataclass(slots=True)
class DayFile:
    """The rows of one day (days since 1970) in a file, as dtype ROW. `ordered`: strictly ascending by id and first
    trade id, which also means that none is there twice."""

    path: Path
    number: int
    rows: int = 0
    first_id: int = 0
    last_id: int = 0
    duplicates: int = 0
    ordered: bool = True
    #: Aggregate id and first trade id of the row that was added last.
    newest: tuple[int, int] = (-1, -1)


class Spill:
    """Sorts rows into files by day, below `folder`, which exists. Raises FolderUnusable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._days: dict[int, DayFile] = {}

    def add(self, rows: Rows) -> None:
        """Append rows to their days' files."""
        if not len(rows):
            return
        numbers = rows["timestamp"] // DAY_MS
        if numbers.min() == numbers.max():
            self._append(int(numbers[0]), rows)
            return
        for number in np.unique(numbers):
            self._append(int(number), rows[numbers == number])

    def days(self) -> list[DayFile]:
        """What was added, by day."""
        return [self._days[number] for number in sorted(self._days)]

    def _append(self, number: int, rows: Rows) -> None:
        day = self._days.get(number)
        ids = rows["aggregate_id"]
        if day is None:
            day = DayFile(self._folder / f"{number}.rows", number, first_id=int(ids[0]))
            self._days[number] = day
        write_rows(day.path, rows)
        day.rows += len(rows)
        day.first_id = min(day.first_id, int(ids.min()))
        day.last_id = max(day.last_id, int(ids.max()))
        begins = (int(ids[0]), int(rows["first_trade_id"][0]))
        day.ordered = day.ordered and day.newest < begins and _ascending(rows)
        day.newest = (int(ids[-1]), int(rows["first_trade_id"][-1]))


def sort_day(day: DayFile, name: ArchiveName, give_up: Callable[[], bool]) -> None:
    """Put the day's file in order and drop rows that are there before, digit for digit; `rows` and `duplicates` follow.

    Takes 16 bytes of memory a row, and the file's size on disk once more. Raises ArchiveUnreadable when one id has
    absurdly many rows, FolderUnusable, GaveUp.
    """
    target = day.path.with_suffix(".sorted")
    kept = 0
    try:
        ids = read_ids(day.path, day.rows)
        order = np.argsort(ids)
        for begin, end in _spans(ids, order, name):
            if give_up():
                raise GaveUp(name.file)
            # Mapped anew each time: pages that were read stay with a mapping.
            rows = _distinct(np.memmap(day.path, ROW, "r")[order[begin:end]])
            write_rows(target, rows)
            kept += len(rows)
        target.replace(day.path)
    except OSError as error:
        raise folder_unusable(day.path.parent, error) from error
    day.duplicates = day.rows - kept
    day.rows = kept


def write_rows(path: Path, rows: Rows) -> None:
    """Append. Raises FolderUnusable."""
    try:
        with path.open("ab", buffering=0) as file:
            rest = np.ascontiguousarray(rows).view(np.uint8).data
            while rest:
                rest = rest[file.write(rest) :]
    except OSError as error:
        raise folder_unusable(path.parent, error) from error


def read_rows(path: Path, size: int) -> Iterator[Rows]:
    """A file's rows in pieces of `size`, the last one shorter. Raises FolderUnusable."""
    try:
        with path.open("rb") as file:
            while len(rows := np.fromfile(file, ROW, size)):
                yield rows
    except OSError as error:
        raise folder_unusable(path.parent, error) from error


def read_ids(path: Path, rows: int) -> npt.NDArray[np.uint64]:
    """The aggregate ids of a file of `rows` rows. Raises FolderUnusable."""
    ids = np.empty(rows, np.uint64)
    begin = 0
    for piece in read_rows(path, CHUNK):
        ids[begin : begin + len(piece)] = piece["aggregate_id"]
        begin += len(piece)
    return ids


def _spans(ids: npt.NDArray[np.uint64], order: npt.NDArray[np.intp], name: ArchiveName) -> Iterator[tuple[int, int]]:
    """Cuts `order` into pieces of about CHUNK such that rows of one id are in one piece."""
    begin = 0
    while begin < len(order):
        end = min(begin + CHUNK, len(order))
        while end < len(order) and ids[order[end]] == ids[order[end - 1]]:
            end += 1
            if end - begin > CHUNK + MOST_PER_ID:
                raise ArchiveUnreadable(name.file, f"the id {ids[order[begin]]} is there more than {MOST_PER_ID} times")
        yield begin, end
        begin = end


def _distinct(rows: Rows) -> Rows:
    """Rows that ascend by id: those of one id sorted by the other columns, and each once."""
    if _ascending(rows):
        return rows
    rows = rows[np.lexsort([rows["first_trade_id"], rows["aggregate_id"]])]
    twins = _equal(rows, _KEY)
    same = _equal(rows, ROW.names or ())
    if (twins & ~same).any():
        # Different trades under one id and first trade id were never seen; they too have one order.
        rows = rows[np.lexsort([rows[field] for field in (*_REST, *reversed(_KEY))])]
        same = _equal(rows, ROW.names or ())
    distinct: Rows = rows[np.concatenate([[True], ~same])]
    return distinct


def _equal(rows: Rows, fields: Iterable[str]) -> npt.NDArray[np.bool_]:
    """For every row but the first, whether these fields are those of the row before."""
    equal = np.ones(len(rows) - 1, np.bool_)
    for field in fields:
        equal &= rows[field][1:] == rows[field][:-1]
    return equal


def _ascending(rows: Rows) -> bool:
    ids, first = rows["aggregate_id"], rows["first_trade_id"]
    above = ids[1:] > ids[:-1]
    if above.all():
        return True
    return bool((above | ((ids[1:] == ids[:-1]) & (first[1:] > first[:-1]))).all())
