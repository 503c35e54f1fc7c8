"""The fingerprint that agg_id_projection keeps of a day, computed from trades that are not stored."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dataprovider.clickhouse.trades import TradeColumns


def fingerprint(columns: TradeColumns) -> int:
    """The sum of `row_hashes` modulo 2^64: equal for equal trades in any order. 0 for no trade.

    Fingerprints add up: that of two batches is the sum of theirs, modulo 2^64.
    """
    raise NotImplementedError


def row_hashes(columns: TradeColumns) -> npt.NDArray[np.uint64]:
    """One hash a trade: ClickHouse's cityHash64 of every column of trades_local but insert_time, in their order."""
    raise NotImplementedError


def id_hash_sum(first: int, last: int) -> int:
    """The sum of ClickHouse's intHash64 over all ids from `first` to `last`, both included, modulo 2^64."""
    raise NotImplementedError
