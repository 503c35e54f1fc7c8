"""What trades hold minute by minute, in the terms of the store's minute projection."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from dataprovider.clickhouse.trades import TradeColumns

#: One row per minute that has a trade: its start in s since 1970, trades, lowest and highest id, sum of ids mod 2^64.
MINUTE = np.dtype([("minute", "i8"), ("rows", "i8"), ("first_id", "u8"), ("last_id", "u8"), ("sum_of_ids", "u8")])
Minutes = npt.NDArray[np.void]


def fold_minutes(pieces: Iterable[TradeColumns]) -> Minutes:
    """The minutes (dtype MINUTE, ascending) of one contract's trades, which may come in any order."""
    return _merged(np.concatenate([np.empty(0, MINUTE), *(_merged(_alone(piece)) for piece in pieces)]))


def _alone(trades: TradeColumns) -> Minutes:
    """Each trade as the minute it would make alone."""
    minutes = np.empty(len(trades), MINUTE)
    minutes["minute"] = trades.timestamp // 60_000 * 60
    minutes["rows"] = 1
    for field in ("first_id", "last_id", "sum_of_ids"):
        minutes[field] = trades.aggregate_id
    return minutes


def _merged(minutes: Minutes) -> Minutes:
    """The same with one row per minute."""
    if not len(minutes):
        return minutes
    starts = minutes["minute"]
    if (starts[1:] < starts[:-1]).any():
        minutes = minutes[np.argsort(starts, kind="stable")]
        starts = minutes["minute"]
    begins = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1]]))
    merged = np.empty(len(begins), MINUTE)
    merged["minute"] = starts[begins]
    merged["rows"] = np.add.reduceat(minutes["rows"], begins)
    merged["first_id"] = np.minimum.reduceat(minutes["first_id"], begins)
    merged["last_id"] = np.maximum.reduceat(minutes["last_id"], begins)
    merged["sum_of_ids"] = np.add.reduceat(minutes["sum_of_ids"], begins)
    return merged
