"""Made-up trades: columns for inserts, and many millions made inside ClickHouse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataprovider.clickhouse import ClickHouse, TradeColumns
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.shards import SHARD_COUNT, shard_of

#: 2024-03-01 00:00 UTC in seconds, and the length of that month.
MONTH = 1_709_251_200
MONTH_SECONDS = 31 * 86_400


def symbols_of_shard(shard: int, count: int) -> list[str]:
    """Made-up names whose trades lie in one shard."""
    names = (f"M{number}USDT" for number in range(count * SHARD_COUNT * 4))
    return [name for name in names if shard_of(name) == shard][:count]


def batch(symbols: list[str], rows: int, *, first_id: int = 1, start_ms: int = MONTH * 1000) -> TradeColumns:
    """`rows` trades of these symbols in turn, a millisecond apart, prices walking at random."""
    draw = np.random.default_rng(first_id)
    order = np.arange(rows)
    ids = (first_id + order // len(symbols)).astype(np.uint64)
    prices = 6_000_000 + np.cumsum(draw.integers(-3, 4, rows))
    return TradeColumns(
        symbol=np.array([symbols[each] for each in (order % len(symbols)).tolist()], dtype=object),
        aggregate_id=ids,
        price=(prices * 10**6).astype(np.int64),
        quantity=(draw.integers(1, 5_000, rows) * 10**5).astype(np.int64),
        first_trade_id=ids * np.uint64(2),
        last_trade_id=ids * np.uint64(2) + draw.integers(0, 2, rows).astype(np.uint64),
        timestamp=(start_ms + order).astype(np.int64),
        is_buyer_maker=draw.integers(0, 2, rows).astype(np.uint8),
    )


def fill_month(store: ClickHouse, symbol: str, rows: int, *, first_id: int = 1, of: int = 0) -> None:
    """`rows` trades of `symbol` spread over the month of March 2024, made by ClickHouse itself.

    `first_id`: of the first of them; `of`: how many the month is to have in the end, where this is a part of it.
    """
    store.run_text(_statement("month").format(symbol=symbol, first=first_id, rows=rows, whole=of or rows))


def fill_symbols(store: ClickHouse, symbols: int, rows: int, *, days: int = 31, prefix: str = "N") -> None:
    """`rows` trades of each of so many symbols, spread over `days` days from 2024-03-01 on."""
    store.run_text(_statement("symbols").format(prefix=prefix, symbols=symbols, rows=rows, days=days))


def fill_here(node: Node, busy: str, symbols: int, rows: int, *, shards: Sequence[int]) -> None:
    """Of `rows` trades of each of so many symbols, and as many of `busy` alone, those of these shards on one node."""
    text = _statement("here").format(busy=busy, symbols=symbols, rows=rows, shards=", ".join(map(str, shards)))
    node.run_text(text)


def merged(store: ClickHouse) -> None:
    """Merge every partition into one part: what a table that was left alone comes to."""
    store.run_text("OPTIMIZE TABLE trades_local FINAL")


def _statement(name: str) -> str:
    return (Path(__file__).parent / "made_up_sql" / f"{name}.sql").read_text()
