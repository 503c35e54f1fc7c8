"""Trades to put into ClickHouse, and the shortest way to put them there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from itertools import count
from typing import NamedTuple

import numpy as np

from dataprovider.clickhouse import ClickHouse, TradeColumns
from dataprovider.clickhouse.shards import shard_of

_numbers = count()

#: 2024-01-01 00:00:00 UTC in ms.
NEW_YEAR = 1_704_067_200_000


class Row(NamedTuple):
    """One aggregated trade: price and quantity as counts of 10^-8, time in ms."""

    aggregate_id: int
    time: int = NEW_YEAR
    price: int = 100_00000000
    quantity: int = 1_00000000
    first: int = 1
    last: int = 1
    maker: int = 0
    symbol: str = "BTCUSDT"


def columns(rows: Sequence[Row]) -> TradeColumns:
    """The rows as a batch."""
    return TradeColumns(
        symbol=np.array([row.symbol for row in rows], dtype=object),
        aggregate_id=np.array([row.aggregate_id for row in rows], dtype=np.uint64),
        price=np.array([row.price for row in rows], dtype=np.int64),
        quantity=np.array([row.quantity for row in rows], dtype=np.int64),
        first_trade_id=np.array([row.first for row in rows], dtype=np.uint64),
        last_trade_id=np.array([row.last for row in rows], dtype=np.uint64),
        timestamp=np.array([row.time for row in rows], dtype=np.int64),
        is_buyer_maker=np.array([row.maker for row in rows], dtype=np.uint8),
    )


def store_columns(clickhouse: ClickHouse, trades: TradeColumns, token: str) -> None:
    """Insert a batch of several symbols, each where it lives."""
    shards = np.array([shard_of(symbol) for symbol in trades.symbol])
    for shard in sorted(set(shards.tolist())):
        here = TradeColumns(**{field.name: getattr(trades, field.name)[shards == shard] for field in fields(trades)})
        clickhouse.insert_trades(here, token=f"{token}-{shard}", shard=shard, epoch=2**63, query_id="")


def store(clickhouse: ClickHouse, rows: Iterable[Row]) -> None:
    """Insert rows under tokens of their own, each where its symbol lives."""
    store_columns(clickhouse, columns(list(rows)), f"test-{next(_numbers)}")


def stored(clickhouse: ClickHouse) -> int:
    """How many trades there are in all."""
    return int(clickhouse.query("total_rows")[0][0])
