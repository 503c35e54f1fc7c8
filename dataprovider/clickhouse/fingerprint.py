"""The fingerprint that agg_id_projection keeps of a day, computed from trades that are not stored.

ClickHouse's cityHash64 of several columns hashes each by its type and folds the hashes from the left with CityHash's
Hash128to64. What it does per type was asked of the server (tests/clickhouse/test_fingerprint.py asks again): UInt64 and
UInt8 go through intHash64, Decimal64 and DateTime64 through CityHash64 of their eight bytes, strings through
CityHash64 of theirs; it is CityHash 1.0.2 (https://github.com/google/cityhash/blob/v1.0.2/src/city.cc).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from clickhouse_cityhash.cityhash import CityHash64

from dataprovider.clickhouse.trades import TradeColumns

UInt64s = npt.NDArray[np.uint64]

#: Rows hashed at once: their intermediate results stay in the processor's cache.
CHUNK = 16_384
_K_MUL = np.uint64(0x9DDFEA08EB382D69)
#: What ClickHouse's intHash64 mixes into a number before it is hashed.
_SALT = np.uint64(0x4CF2D2BAAE6DA887)
_MURMUR_1 = np.uint64(0xFF51AFD7ED558CCD)
_MURMUR_2 = np.uint64(0xC4CEB9FE1A85EC53)
_LOW = np.uint64(0xFFFFFFFF)
_3, _8, _32, _33, _47 = map(np.uint64, (3, 8, 32, 33, 47))
_MODULUS = 1 << 64


def fingerprint(columns: TradeColumns) -> int:
    """The sum of `row_hashes` modulo 2^64: equal for equal trades in any order. 0 for no trade.

    Fingerprints add up: that of two batches is the sum of theirs, modulo 2^64.
    """
    return sum(int(hashes.sum(dtype=np.uint64)) for hashes in _chunks(columns)) % _MODULUS


def row_hashes(columns: TradeColumns) -> UInt64s:
    """One hash a trade: ClickHouse's cityHash64 of every column of trades_local but insert_time, in their order."""
    return np.concatenate([np.empty(0, np.uint64), *_chunks(columns)])


def id_hash_sum(first: int, last: int) -> int:
    """The sum of ClickHouse's intHash64 over all ids from `first` to `last`, both included, modulo 2^64."""
    total = 0
    for start in range(first, last + 1, CHUNK):
        ids = np.arange(start, min(start + CHUNK, last + 1), dtype=np.uint64)
        total += int(_int_hash(ids).sum(dtype=np.uint64))
    return total % _MODULUS


def _chunks(columns: TradeColumns) -> Iterator[UInt64s]:
    symbols: dict[str, int] = {}
    for start in range(0, len(columns), CHUNK):
        rows = slice(start, start + CHUNK)
        yield _fold(
            _symbol_hashes(columns.symbol[rows], symbols),
            _int_hash(columns.aggregate_id[rows]),
            _city_hash(columns.price[rows]),
            _city_hash(columns.quantity[rows]),
            _int_hash(columns.first_trade_id[rows]),
            _int_hash(columns.last_trade_id[rows]),
            _city_hash(columns.timestamp[rows]),
            _int_hash(columns.is_buyer_maker[rows].astype(np.uint64)),
        )


def _symbol_hashes(symbols: npt.NDArray[np.object_], known: dict[str, int]) -> UInt64s:
    """CityHash64 of each symbol's UTF-8; few are different, and `known` keeps those seen before."""
    values = symbols.tolist()
    for value in set(values) - known.keys():
        known[value] = CityHash64(value)
    if len(known) == 1:
        return np.full(len(values), known[values[0]], np.uint64)
    return np.fromiter(map(known.__getitem__, values), np.uint64, len(values))


def _fold(first: UInt64s, *others: UInt64s) -> UInt64s:
    hashes = first
    for other in others:
        hashes = _hash_128_to_64(hashes, other)
    return hashes


def _hash_128_to_64(low: Any, high: UInt64s) -> UInt64s:
    mixed: UInt64s = low ^ high
    mixed *= _K_MUL
    mixed ^= mixed >> _47
    mixed ^= high
    mixed *= _K_MUL
    mixed ^= mixed >> _47
    mixed *= _K_MUL
    return mixed


def _int_hash(values: UInt64s) -> UInt64s:
    """ClickHouse's intHash64: a salt, and the finaliser of MurmurHash3."""
    mixed = values ^ _SALT
    mixed ^= mixed >> _33
    mixed *= _MURMUR_1
    mixed ^= mixed >> _33
    mixed *= _MURMUR_2
    mixed ^= mixed >> _33
    return mixed


def _city_hash(values: npt.NDArray[np.int64]) -> UInt64s:
    """CityHash64 of each value's eight bytes, little-endian: HashLen0to16's branch for four to eight bytes."""
    unsigned = values.view(np.uint64)
    return _hash_128_to_64(_8 + ((unsigned & _LOW) << _3), unsigned >> _32)
