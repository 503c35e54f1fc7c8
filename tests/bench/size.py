"""What a stored trade takes on disk, merged, projections included: real trades in both tables and as Parquet."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from collectors.binance.archivefile import read_days
from collectors.binance.archivename import ArchiveName
from dataprovider.clickhouse import TradeColumns
from dataprovider.clickhouse.shards import shard_of
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground
from tests.bench.made_up import batch, merged
from tests.bench.original import OriginalTable
from tests.bench.original.table import DATABASE
from tests.shared_data import SHARED_DATA

MADE_UP = 400_000


def measure(ground: Ground) -> list[Figure]:
    """Bytes a row; it is a count, so once is enough."""
    what, pieces = _trades(ground)
    ground.empty()
    for number, piece in enumerate(pieces):
        shard = shard_of(piece.symbol[0])
        ground.store.insert_trades(piece, token=f"bench-size:{number}", shard=shard, epoch=2**62, query_id="")
    merged(ground.store)
    original = OriginalTable(ground.address)
    original.copy()
    original.client.execute("OPTIMIZE TABLE trades_local FINAL")
    rows = sum(map(len, pieces))
    own, other = (_bytes(original, name) / rows for name in (ground.address.database, DATABASE))
    peer = _as_parquet(pieces) / rows
    original.close()
    ground.empty()
    ground.say(f"size: {own:.2f} bytes a trade, the original's table {other:.2f}, Parquet {peer:.2f}")
    return [
        Figure(
            "bytes_per_trade",
            "bytes of a stored trade",
            "bytes",
            Sample([own]),
            Sample([other]),
            "its DDL",
            at_most=4.5,
            peer=Sample([peer]),
            peer_name="Parquet with ZSTD, as files of trades are kept",
            note=f"{rows:,} {what}, merged, both projections included",
        )
    ]


def _trades(ground: Ground) -> tuple[str, list[TradeColumns]]:
    """Real trades where they are at hand, otherwise made-up ones, which say little about size."""
    path = next(iter(SHARED_DATA.glob("archives/**/BTCUSDT-aggTrades-*.zip")), None)
    if path is None:
        pieces = [batch(["BTCUSDT"], 50_000, first_id=1 + n * 50_000) for n in range(MADE_UP // 50_000)]
        return "MADE-UP trades (no real ones lie beside this checkout)", pieces
    day = datetime.strptime(path.stem[-10:], "%Y-%m-%d").replace(tzinfo=UTC).date()
    return "real trades of BTCUSDT", _read(path, day, ground.home / "size")


def _read(path: Path, day: date, folder: Path) -> list[TradeColumns]:
    return [
        piece for each in read_days(path, ArchiveName.daily("BTCUSDT", day), folder) for piece in each.pieces(50_000)
    ]


def _bytes(table: OriginalTable, database: str) -> int:
    """Bytes on disk of the parts in use, which include their projections'."""
    asked = (
        "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'trades_local' AND database = {d:String}"
    )
    return int(table.client.execute(asked, {"d": database})[0][0])


def _as_parquet(pieces: list[TradeColumns]) -> int:
    names = [name for name in TradeColumns.__dataclass_fields__ if name != "symbol"]
    columns = {name: np.concatenate([getattr(piece, name) for piece in pieces]) for name in names}
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), out, compression="zstd")
    return out.tell()
