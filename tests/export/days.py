"""Days of made-up trades, and a lot of them."""

from __future__ import annotations

import numpy as np

from dataprovider.clickhouse import ClickHouse, TradeColumns
from dataprovider.clickhouse.shards import shard_of
from tests.clickhouse.trades import NEW_YEAR, Row, store

MINUTE = 60_000
DAY = 86_400_000


def three_days(clickhouse: ClickHouse) -> list[Row]:
    """A trade each ten minutes over three days, ids with one hole, a pair under one id, and digits no float holds."""
    rows = [
        Row(
            1000 + n + (5 if n > 200 else 0),
            NEW_YEAR + n * 10 * MINUTE,
            price=4_231_390_000_000 + n * 7_919,
            quantity=1 + n * 104_729,
            first=10 * n,
            last=10 * n + n % 4,
            maker=n % 2,
        )
        for n in range(432)
    ]
    rows += [rows[100]._replace(first=7), Row(1437, rows[-1].time + 1, 2**63 - 1, 2**63 - 1, 2**64 - 1, 2**64 - 1)]
    store(clickhouse, rows)
    return sorted(rows, key=lambda row: (row.time, row.aggregate_id, row.first))


def many(clickhouse: ClickHouse, rows: int) -> None:
    """`rows` trades of BTCUSDT with contiguous ids, 40 ms apart, in batches as live collection makes them."""
    for first in range(0, rows, 250_000):
        ids = np.arange(first, min(rows, first + 250_000), dtype=np.uint64)
        counts = ids.astype(np.int64)
        columns = TradeColumns(
            symbol=np.full(len(ids), "BTCUSDT", dtype=object),
            aggregate_id=ids,
            price=4_231_390_000_000 + counts * 7_919 % 1_000_000_000,
            quantity=1 + counts * 104_729 % 1_000_000_000,
            first_trade_id=ids * np.uint64(2),
            last_trade_id=ids * np.uint64(2) + np.uint64(1),
            timestamp=NEW_YEAR + counts * 40,
            is_buyer_maker=(counts % 2).astype(np.uint8),
        )
        clickhouse.insert_trades(
            columns, token=f"many-{first}-{rows}", shard=shard_of("BTCUSDT"), epoch=2**63, query_id=""
        )
