"""A batch of trades of one shard: what is inserted in one piece, under one token, however often it is tried."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from collectors.trade import Trade
from dataprovider.clickhouse import TradeColumns


@dataclass(frozen=True, slots=True)
class IdRange:
    """Aggregate ids first_id..last_id of one symbol, both included; times in ms (UTC)."""

    symbol: str
    first_id: int
    last_id: int
    first_ms: int
    last_ms: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Trades of one shard in the order they were accepted. `epoch` and `sequence` name it for ever.

    `since`: when the first of them was received, in seconds of this process's steady clock.
    """

    shard: int
    epoch: int
    sequence: int
    columns: TradeColumns
    since: float = 0.0

    @property
    def token(self) -> str:
        """The deduplication token: ClickHouse stores two inserts with one token once."""
        return f"{self.shard}:{self.epoch}:{self.sequence}"

    def __len__(self) -> int:
        return len(self.columns)

    def id_ranges(self) -> list[IdRange]:
        """The contiguous runs of ids in it, per symbol: what is missing when it cannot be stored."""
        ranges: list[IdRange] = []
        columns = self.columns
        for symbol in np.unique(columns.symbol):
            rows = np.flatnonzero(columns.symbol == symbol)
            rows = rows[np.argsort(columns.aggregate_id[rows], kind="stable")]
            ids = columns.aggregate_id[rows].astype(np.int64)
            for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(ids) > 1) + 1):
                first, last = rows[run[0]], rows[run[-1]]
                ranges.append(
                    IdRange(
                        str(symbol),
                        int(columns.aggregate_id[first]),
                        int(columns.aggregate_id[last]),
                        int(columns.timestamp[first]),
                        int(columns.timestamp[last]),
                    )
                )
        return ranges


def columns_of(trades: list[Trade]) -> TradeColumns:
    """The trades as numpy columns, ready to be inserted."""
    symbol, aggregate_id, price, quantity, first, last, timestamp, maker, _ = zip(*trades, strict=True)
    return TradeColumns(
        symbol=np.array(symbol, dtype=object),
        aggregate_id=np.array(aggregate_id, dtype=np.uint64),
        price=np.array(price, dtype=np.int64),
        quantity=np.array(quantity, dtype=np.int64),
        first_trade_id=np.array(first, dtype=np.uint64),
        last_trade_id=np.array(last, dtype=np.uint64),
        timestamp=np.array(timestamp, dtype=np.int64),
        is_buyer_maker=np.array(maker, dtype=np.uint8),
    )


def selected(columns: TradeColumns, keep: npt.NDArray[np.bool_]) -> TradeColumns:
    """The rows where `keep` is true."""
    return TradeColumns(**{item.name: getattr(columns, item.name)[keep] for item in fields(columns)})
