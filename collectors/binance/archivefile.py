"""Reading a fetched archive: its trades by day, sorted, each once, with bounded memory."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from collectors.binance.archive import never
from collectors.binance.archivename import ArchiveName
from dataprovider.clickhouse.trades import TradeColumns

#: One row per minute that has a trade: its start in s since 1970, trades, lowest and highest id, sum of ids mod 2^64.
MINUTE = np.dtype([("minute", "i8"), ("rows", "i8"), ("first_id", "u8"), ("last_id", "u8"), ("sum_of_ids", "u8")])


def read_days(
    path: Path, name: ArchiveName, folder: Path, *, give_up: Callable[[], bool] = never
) -> Iterator[ArchiveDay]:
    """The days of an archive that have a trade, ascending.

    The whole file is read and checked before the first day comes; what does not fit into memory waits in a folder of
    its own below `folder`. A day can be used until the next is asked for, or the iterator is closed; then its files
    are gone. A trade counts to the day (UTC) of its time: one that is up to ten minutes outside the file's
    period comes in a day of its own, before name.first_day or after name.last_day, of which this is only a part.

    Raises ArchiveUnreadable (nothing of the file can be trusted), FolderUnusable, GaveUp.
    """
    raise NotImplementedError


class ArchiveDay:
    """One day's trades. `rows`: different trades; `duplicates`: rows dropped because they were there before, digit for
    digit; `first_id`, `last_id`: lowest and highest aggregate id; `was_ordered`: the file had them as `pieces` has.

    Two different trades under one aggregate id are both kept, as is a quantity of 0.
    """

    symbol: str
    day: datetime.date
    rows: int
    duplicates: int
    first_id: int
    last_id: int
    was_ordered: bool

    def pieces(self, size: int) -> Iterator[TradeColumns]:
        """All trades in pieces of `size`, the last one shorter, ascending by (aggregate_id, first_trade_id)."""
        raise NotImplementedError

    def ids(self) -> npt.NDArray[np.uint64]:
        """Every aggregate id, ascending, as often as there are trades under it: 8 bytes a trade."""
        raise NotImplementedError

    def minutes(self) -> npt.NDArray[np.void]:
        """What the day holds minute by minute (dtype MINUTE), ascending. Reads all trades."""
        raise NotImplementedError

    def fingerprint(self) -> int:
        """What agg_id_projection holds for a day of the same trades. Reads all trades."""
        raise NotImplementedError
