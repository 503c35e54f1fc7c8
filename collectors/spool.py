"""Batches on disk, for as long as ClickHouse cannot take them: written once, replayed in order under their own tokens.

A file is `<shard>-<epoch>-<sequence>.batch`: the length of a JSON header (4 bytes, big-endian), the header, the columns
one after the other. It appears under its name only when it is whole. It survives the end of the process; a power cut
may cost the newest files, whose trades are then a gap like any other.
"""

from __future__ import annotations

import contextlib
import re
import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from collectors.batch import Batch
from dataprovider.clickhouse import TradeColumns

_NAME = re.compile(r"(\d+)-(\d+)-(\d+)\.batch")
_LENGTH = struct.Struct("!I")
_COLUMNS = (
    ("symbol", np.dtype("uint32")),
    ("aggregate_id", np.dtype("uint64")),
    ("price", np.dtype("int64")),
    ("quantity", np.dtype("int64")),
    ("first_trade_id", np.dtype("uint64")),
    ("last_trade_id", np.dtype("uint64")),
    ("timestamp", np.dtype("int64")),
    ("is_buyer_maker", np.dtype("uint8")),
)


class SpoolFull(Exception):
    """The spool has reached its bound, or the disk is full; `str()` says which."""


class SpoolCorrupt(Exception):
    """A spool file is not what was written."""


class Spool:
    """The spool folder of this host. A shard's files are touched only by the process that owns the shard."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """`max_bytes` bounds what this process writes and has not yet removed."""
        self._folder = folder
        self._max_bytes = max_bytes
        self.bytes = 0

    def save(self, batch: Batch) -> Path:
        """Write one batch; raises SpoolFull and then leaves nothing behind."""
        data = _encode(batch)
        if self.bytes + len(data) > self._max_bytes:
            raise SpoolFull(f"the spool holds {self.bytes} bytes, its bound is {self._max_bytes} (SPOOL_MAX_BYTES)")
        path = self._folder / f"{batch.shard}-{batch.epoch}-{batch.sequence}.batch"
        draft = path.with_suffix(".draft")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(data)
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise SpoolFull(f"the spool cannot be written: {error.strerror}") from error
        self.bytes += len(data)
        return path

    def files(self, shard: int) -> list[Path]:
        """The files of one shard, oldest first."""
        found = []
        if self._folder.is_dir():
            for path in self._folder.iterdir():
                match = _NAME.fullmatch(path.name)
                if match and int(match[1]) == shard:
                    found.append((int(match[2]), int(match[3]), path))
        return [path for _, _, path in sorted(found)]

    def oldest_written(self, shards: Iterable[int]) -> float | None:
        """When the oldest file of these shards was written (seconds since 1970); None: there is none."""
        wanted = set(shards)
        times = []
        for path in self._folder.iterdir() if wanted and self._folder.is_dir() else ():
            match = _NAME.fullmatch(path.name)
            if match and int(match[1]) in wanted:
                with contextlib.suppress(FileNotFoundError):
                    times.append(path.stat().st_mtime)
        return min(times, default=None)

    def load(self, path: Path) -> Batch:
        """Read one batch; raises SpoolCorrupt."""
        try:
            return _decode(path.read_bytes())
        except (ValueError, KeyError, TypeError, IndexError, struct.error, OSError) as error:
            raise SpoolCorrupt(f"{path} cannot be read: {error}") from error

    def remove(self, path: Path) -> None:
        """Forget a batch that is stored."""
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        self.bytes = max(0, self.bytes - size)

    def set_aside(self, path: Path) -> Path:
        """Move a file that cannot be used out of the way, for a person to look at."""
        aside = path.with_suffix(".refused")
        path.replace(aside)
        return aside


def _encode(batch: Batch) -> bytes:
    names, codes = np.unique(batch.columns.symbol.astype(str), return_inverse=True)
    columns: list[npt.NDArray[Any]] = [
        codes if name == "symbol" else getattr(batch.columns, name) for name, _ in _COLUMNS
    ]
    types: list[np.dtype[Any]] = [dtype for _, dtype in _COLUMNS]
    body = b"".join(column.astype(dtype).tobytes() for column, dtype in zip(columns, types, strict=True))
    header = orjson.dumps(
        {
            "shard": batch.shard,
            "epoch": batch.epoch,
            "sequence": batch.sequence,
            "rows": len(batch),
            "symbols": [str(name) for name in names],
            "crc32": zlib.crc32(body),
        }
    )
    return _LENGTH.pack(len(header)) + header + body


def _decode(data: bytes) -> Batch:
    (length,) = _LENGTH.unpack_from(data)
    header = orjson.loads(data[_LENGTH.size : _LENGTH.size + length])
    body = data[_LENGTH.size + length :]
    if zlib.crc32(body) != header["crc32"]:
        raise ValueError("its checksum is wrong")
    columns: dict[str, npt.NDArray[Any]] = {}
    position = 0
    for name, dtype in _COLUMNS:
        end = position + header["rows"] * dtype.itemsize
        columns[name] = np.frombuffer(body[position:end], dtype=dtype)
        position = end
    columns["symbol"] = np.array(header["symbols"], dtype=object)[columns["symbol"]]
    return Batch(header["shard"], header["epoch"], header["sequence"], TradeColumns(**columns))
