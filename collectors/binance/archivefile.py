"""Reading a fetched archive: its trades by day, sorted, each once, with bounded memory."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collectors.binance.archivedownload import folder_unusable, never
from collectors.binance.archiveminutes import MINUTE, Minutes, fold_minutes
from collectors.binance.archivename import ArchiveName
from collectors.binance.archiverows import RowReader
from collectors.binance.archivespill import CHUNK, DayFile, Spill, read_ids, read_rows, sort_day
from collectors.binance.archivezip import read_blocks
from dataprovider.clickhouse.fingerprint import fingerprint
from dataprovider.clickhouse.trades import TradeColumns

__all__ = ["MINUTE", "ArchiveDay", "read_days"]

EPOCH = datetime.date(1970, 1, 1)
_MODULUS = 1 << 64


def read_days(
    path: Path, name: ArchiveName, folder: Path, *, give_up: Callable[[], bool] = never
) -> Iterator[ArchiveDay]:
    """The days of an archive that have a trade, ascending; `path` is its zip.

    The whole file is read and checked before the first day comes; its rows wait in a folder of their own below `folder`
    (49 bytes each). A day can be used until the next is asked for, or the iterator is closed; then its files are gone.
    A trade counts to the day (UTC) of its time: one that is up to ten minutes outside the file's period comes in
    a day of its own, before name.first_day or after name.last_day, of which this is only a part.

    Raises ArchiveUnreadable (nothing of the file can be trusted), FolderUnusable, GaveUp.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        place = tempfile.TemporaryDirectory(prefix="reading-", dir=folder)
    except OSError as error:
        raise folder_unusable(folder, error) from error
    with place:
        spill = Spill(Path(place.name))
        reader = RowReader(name)
        for block in read_blocks(path, name, give_up):
            spill.add(reader.read(block))
        for day in spill.days():
            if not day.ordered:
                sort_day(day, name, give_up)
            yield _opened(day, name.symbol)
            day.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class ArchiveDay:
    """One day's trades. `rows`: different trades; `duplicates`: rows dropped because they were there before, digit for
    digit; `first_id`, `last_id`: lowest and highest aggregate id; `was_ordered`: the file had them as `pieces` has.

    Two different trades under one aggregate id are both kept, as is a quantity of 0. The methods read the day's file,
    and raise FolderUnusable when it cannot be read.
    """

    symbol: str
    day: datetime.date
    rows: int
    duplicates: int
    first_id: int
    last_id: int
    was_ordered: bool
    _path: Path = field(repr=False)

    def pieces(self, size: int = CHUNK) -> Iterator[TradeColumns]:
        """All trades in pieces of `size`, the last one shorter, ascending by (aggregate_id, first_trade_id)."""
        symbols = np.full(min(size, self.rows), self.symbol, dtype=object)
        for rows in read_rows(self._path, size):
            columns = {name: np.ascontiguousarray(rows[name]) for name in rows.dtype.names or ()}
            yield TradeColumns(symbol=symbols[: len(rows)], **columns)

    def ids(self) -> npt.NDArray[np.uint64]:
        """Every aggregate id, ascending, as often as there are trades under it: 8 bytes a trade."""
        return read_ids(self._path, self.rows)

    def minutes(self) -> Minutes:
        """What the day holds minute by minute (dtype MINUTE), ascending. Reads all trades."""
        return fold_minutes(self.pieces())

    def fingerprint(self) -> int:
        """What agg_id_projection holds for a day of the same trades. Reads all trades."""
        return sum(map(fingerprint, self.pieces())) % _MODULUS


def _opened(day: DayFile, symbol: str) -> ArchiveDay:
    return ArchiveDay(
        symbol=symbol,
        day=EPOCH + datetime.timedelta(days=day.number),
        rows=day.rows,
        duplicates=day.duplicates,
        first_id=day.first_id,
        last_id=day.last_id,
        was_ordered=day.ordered,
        _path=day.path,
    )
