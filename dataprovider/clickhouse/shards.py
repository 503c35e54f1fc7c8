"""Which shard a symbol belongs to: the same hash as the ClickHouse table's partition key."""

from __future__ import annotations

from functools import lru_cache

from clickhouse_cityhash.cityhash import CityHash64

SHARD_COUNT = 16


@lru_cache(maxsize=8192)
def shard_of(symbol: str) -> int:
    """cityHash64(symbol) % 16, as ClickHouse computes it over the UTF-8 bytes."""
    return int(CityHash64(symbol)) % SHARD_COUNT
