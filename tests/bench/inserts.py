"""Inserts in batches of 50,000: here of one shard each, as workers make them; the original's as trades come."""

from __future__ import annotations

import itertools

import numpy as np

from dataprovider.clickhouse import TradeColumns
from dataprovider.clickhouse.shards import SHARD_COUNT
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground, timed
from tests.bench.made_up import batch, symbols_of_shard
from tests.bench.original.table import BATCH, OriginalTable, rows_of

SYMBOLS_PER_SHARD = 10


def measure(ground: Ground) -> list[Figure]:
    """Rows a second, one connection each, the batches at hand when the clock starts."""
    rounds, shards = ground.choose((2, 2), (9, SHARD_COUNT))
    batches = [batch(symbols_of_shard(each, SYMBOLS_PER_SHARD), BATCH) for each in range(shards)]
    mixed = _mixed(batches)
    rows = [rows_of(each) for each in mixed]
    ground.empty()
    original = OriginalTable(ground.address)
    tokens = itertools.count()

    def ours() -> None:
        for shard, each in enumerate(batches):
            token = f"bench-insert:{next(tokens)}"
            ground.store.insert_trades(each, token=token, shard=shard, epoch=2**62, query_id="")

    def theirs() -> None:
        for each in rows:
            original.insert(each)

    count = shards * BATCH
    # The first round also makes parts' folders and warms the server up.
    ours()
    theirs()
    own: list[float] = []
    other: list[float] = []
    for turn in range(rounds):
        own.append(count / timed(ours))
        other.append(count / timed(theirs))
        ground.say(f"inserts {turn + 1}/{rounds}: {own[-1]:,.0f} rows/s, the original's way {other[-1]:,.0f}")
    original.close()
    ground.empty()
    return [
        Figure(
            "insert_rows_per_s",
            "insert, batches of 50,000",
            "rows/s",
            Sample(own),
            Sample(other),
            "tuples through clickhouse-driver, symbols mixed",
            at_least=1_200_000,
            note=f"{count:,} rows of {shards * SYMBOLS_PER_SHARD} symbols, both projections included",
        )
    ]


def _mixed(batches: list[TradeColumns]) -> list[TradeColumns]:
    """The same trades in the order of their times: batches of all symbols."""
    whole = {
        name: np.concatenate([getattr(each, name) for each in batches]) for name in TradeColumns.__dataclass_fields__
    }
    order = np.argsort(whole["timestamp"], kind="stable")
    return [
        TradeColumns(**{name: column[order[start : start + BATCH]] for name, column in whole.items()})
        for start in range(0, len(order), BATCH)
    ]
