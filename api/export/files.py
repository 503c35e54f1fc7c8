"""The files' own formats: what comes first, a piece, what comes last. Each holds one piece in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from api.export.candles import Judged
from api.export.parameters import Format
from api.export.trades import Columns
from dataprovider.decimals import product_to_text, to_text

P = TypeVar("P")
_P = TypeVar("_P", contravariant=True)


class File(Protocol[_P]):
    """A file that is written piece by piece; the calls return the bytes to send next."""

    def piece(self, piece: _P) -> bytes: ...

    def end(self) -> bytes: ...


class _Outlet:
    """A file to write into whose bytes are taken away as they come."""

    closed = False

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._written = 0

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        self._written += len(data)
        return len(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None: ...

    def close(self) -> None: ...

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


class Tabular(Generic[P]):
    """An Arrow stream or a Parquet file, one batch or row group a piece."""

    def __init__(self, kind: Format, schema: pa.Schema, batch: Callable[[P], pa.RecordBatch]) -> None:
        self._outlet = _Outlet()
        self._batch = batch
        sink = pa.PythonFile(self._outlet, mode="w")
        self._writer: Any = (
            pa.ipc.new_stream(sink, schema)
            if kind is Format.ARROW
            else pq.ParquetWriter(sink, schema, compression="zstd", use_dictionary=False)
        )

    def piece(self, piece: P) -> bytes:
        self._writer.write_batch(self._batch(piece))
        return self._outlet.take()

    def end(self) -> bytes:
        self._writer.close()
        return self._outlet.take()


class Csv(Generic[P]):
    """A line of names, then the rows; decimals with all their digits, times in ms, true and false."""

    def __init__(self, schema: pa.Schema, rows: Callable[[P], str]) -> None:
        self._names = f"{','.join(schema.names)}\n".encode()
        self._rows = rows

    def piece(self, piece: P) -> bytes:
        return self._first() + self._rows(piece).encode()

    def end(self) -> bytes:
        return self._first()

    def _first(self) -> bytes:
        names, self._names = self._names, b""
        return names


def trades_csv(columns: Columns) -> str:
    """The lines of a piece of trades."""
    ids, prices, quantities, first_ids, last_ids, times, makers = (column.tolist() for column in columns)
    # Few of them are different.
    text = {count: to_text(count) for count in {*prices, *quantities}}
    return "".join(
        [
            f"{i},{text[p]},{text[q]},{f},{last},{t},{'true' if m else 'false'}\n"
            for i, p, q, f, last, t, m in zip(ids, prices, quantities, first_ids, last_ids, times, makers, strict=True)
        ]
    )


def candles_csv(piece: Judged) -> str:
    """The lines of a piece of candles."""
    return "".join(
        [
            f"{c.open_time},{to_text(c.open)},{to_text(c.high)},{to_text(c.low)},{to_text(c.close)},"
            f"{to_text(c.volume)},{product_to_text(c.quote_volume)},{to_text(c.taker_buy_volume)},"
            f"{to_text(c.volume - c.taker_buy_volume)},{c.trades},{c.aggregates},"
            f"{'true' if v.complete else 'false'},{'true' if v.closed else 'false'}\n"
            for c, v in piece
        ]
    )
