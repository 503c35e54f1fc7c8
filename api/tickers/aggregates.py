"""What a symbol's candles are made of. The table has projections where others have materialized views."""

from __future__ import annotations

from typing import Any

from api.parameters import MOST_TIMEFRAME
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of

#: Projection -> what it has one row for, and the endpoints that are answered from it.
PROJECTIONS = {
    "ohlcv_1m_projection": ("minute", ["data/klines", "data/ohlcv", "/fapi/v1/klines", "/ws/stream"]),
    "agg_id_projection": ("day", ["integrity/coverage", "tickers", "data/trades?from_id"]),
}


def aggregates(clickhouse: ClickHouse, symbol: str) -> dict[str, Any]:
    """The shape `TickerAggregates`. Raises ClickHouseError."""
    ((minutes, days, first, last),) = clickhouse.query("symbol_groups", symbol=symbol)
    groups = {"minute": minutes, "day": days}
    built = {name: numbers for name, *numbers in clickhouse.query("projection_parts", shard=shard_of(symbol))}
    projections = []
    for name, (grain, serves) in PROJECTIONS.items():
        parts, with_projection, rows, size = built.get(name, (0, 0, 0, 0))
        projections.append(
            {
                "name": name,
                "grain": grain,
                "serves": serves,
                "groups": groups[grain],
                "parts": parts,
                "parts_with_projection": with_projection,
                "rows": rows,
                "bytes_on_disk": size,
            }
        )
    return {
        "symbol": symbol,
        "materialized_views": [],
        "timeframes": {"shortest": 1, "longest": MOST_TIMEFRAME, "step": 1},
        "first_minute": first * 1000 if minutes else None,
        "last_minute": last * 1000 if minutes else None,
        "projections": projections,
    }
