"""Pieces of an export as Arrow columns: decimals as decimal128, times as UTC timestamps in ms."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from api.export.candles import Judged
from api.export.trades import Columns
from dataprovider.decimals import PLACES, PRODUCT_PLACES

#: A count of 10^-8 in an Int64 has up to 19 digits; sums are as wide as decimals go.
_PRICE = pa.decimal128(19, PLACES)
_SUM = pa.decimal128(38, PLACES)
_PRODUCT = pa.decimal128(38, PRODUCT_PLACES)
_TIME = pa.timestamp("ms", tz="UTC")

TRADES = pa.schema(
    [
        pa.field("aggregate_id", pa.uint64(), nullable=False),
        pa.field("price", _PRICE, nullable=False),
        pa.field("quantity", _PRICE, nullable=False),
        pa.field("first_trade_id", pa.uint64(), nullable=False),
        pa.field("last_trade_id", pa.uint64(), nullable=False),
        pa.field("timestamp", _TIME, nullable=False),
        pa.field("is_buyer_maker", pa.bool_(), nullable=False),
    ]
)

CANDLES = pa.schema(
    [
        pa.field("candle_time", _TIME, nullable=False),
        pa.field("open", _PRICE, nullable=False),
        pa.field("high", _PRICE, nullable=False),
        pa.field("low", _PRICE, nullable=False),
        pa.field("close", _PRICE, nullable=False),
        pa.field("volume", _SUM, nullable=False),
        pa.field("quote_volume", _PRODUCT, nullable=False),
        pa.field("taker_buy_volume", _SUM, nullable=False),
        pa.field("taker_sell_volume", _SUM, nullable=False),
        pa.field("trades_count", pa.uint64(), nullable=False),
        pa.field("aggregate_count", pa.uint64(), nullable=False),
        pa.field("complete", pa.bool_(), nullable=False),
        pa.field("closed", pa.bool_(), nullable=False),
    ]
)


def trades_batch(columns: Columns) -> pa.RecordBatch:
    """A piece of api.export.trades."""
    aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker = columns
    return pa.record_batch(
        [
            pa.array(aggregate_id),
            _decimals(price, _PRICE),
            _decimals(quantity, _PRICE),
            pa.array(first_trade_id),
            pa.array(last_trade_id),
            pa.array(timestamp).cast(_TIME),
            pa.array(is_buyer_maker.astype(np.bool_)),
        ],
        schema=TRADES,
    )


def candles_batch(piece: Judged) -> pa.RecordBatch:
    """A piece of api.export.candles."""
    candles = [candle for candle, _ in piece]
    verdicts = [verdict for _, verdict in piece]
    return pa.record_batch(
        [
            pa.array([each.open_time for each in candles], pa.int64()).cast(_TIME),
            *(
                _wide_decimals([getattr(each, name) for each in candles], _PRICE)
                for name in ("open", "high", "low", "close")
            ),
            _wide_decimals([each.volume for each in candles], _SUM),
            _wide_decimals([each.quote_volume for each in candles], _PRODUCT),
            _wide_decimals([each.taker_buy_volume for each in candles], _SUM),
            _wide_decimals([each.volume - each.taker_buy_volume for each in candles], _SUM),
            pa.array([each.trades for each in candles], pa.uint64()),
            pa.array([each.aggregates for each in candles], pa.uint64()),
            pa.array([each.complete for each in verdicts], pa.bool_()),
            pa.array([each.closed for each in verdicts], pa.bool_()),
        ],
        schema=CANDLES,
    )


def _decimals(counts: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Int64 counts as decimals: the same integers, 16 bytes each with the sign carried on."""
    halves = np.empty((len(counts), 2), dtype=np.int64)
    halves[:, 0] = counts
    halves[:, 1] = counts >> 63
    return pa.Array.from_buffers(kind, len(counts), [None, pa.py_buffer(halves)])


def _wide_decimals(counts: list[int], kind: pa.DataType) -> pa.Array:
    """The same for counts beyond an Int64."""
    data = b"".join([count.to_bytes(16, "little", signed=True) for count in counts])
    return pa.Array.from_buffers(kind, len(counts), [None, pa.py_buffer(data)])
