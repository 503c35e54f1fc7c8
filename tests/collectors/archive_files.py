"""Archives to read, made by hand, and the shortest way to read them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import NamedTuple

from collectors.binance.archivefile import ArchiveDay, read_days
from collectors.binance.archivename import ArchiveName
from dataprovider.clickhouse import TradeColumns
from dataprovider.decimals import to_text

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker"
NAME = ArchiveName.daily("BTCUSDT", date(2024, 1, 31))
#: 2024-01-31 00:00:00 UTC in ms.
MIDNIGHT = 1_706_659_200_000
DAY_MS = 86_400_000


class Line(NamedTuple):
    """A row of an archive: price and quantity as counts of 10^-8, time in ms."""

    id: int
    price: int = 42_283_58000000
    quantity: int = 69_000
    first: int = 1
    last: int = 1
    time: int = MIDNIGHT
    maker: bool = False

    @property
    def text(self) -> str:
        maker = "true" if self.maker else "false"
        return f"{self.id},{to_text(self.price)},{to_text(self.quantity)},{self.first},{self.last},{self.time},{maker}"


class Read(NamedTuple):
    """A day as it was read."""

    day: ArchiveDay
    lines: list[Line]


def zipped(folder: Path, text: str | bytes, *, name: ArchiveName = NAME, member: str | None = None) -> Path:
    """A zip with this text as its CSV, under the archive's own name."""
    path = folder / name.file
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member or name.file.replace(".zip", ".csv"), text)
    return path


def archive(folder: Path, lines: Iterable[Line], *, name: ArchiveName = NAME, header: bool = True) -> Path:
    """A zip with these rows in this order."""
    texts = [HEADER] if header else []
    return zipped(folder, "".join(f"{text}\n" for text in [*texts, *(line.text for line in lines)]), name=name)


def read(path: Path, name: ArchiveName = NAME, *, size: int = 1000) -> list[Read]:
    """Every day of an archive, whole; what waits on disk meanwhile is gone afterwards."""
    folder = path.parent / "reading"
    found = [
        Read(day, [line for piece in day.pieces(size) for line in as_lines(piece)])
        for day in read_days(path, name, folder)
    ]
    assert list(folder.iterdir()) == []
    return found


def as_lines(trades: TradeColumns) -> list[Line]:
    """Columns as rows."""
    return [
        Line(number, price, quantity, first, last, time, bool(maker))
        for number, price, quantity, first, last, time, maker in zip(
            trades.aggregate_id.tolist(),
            trades.price.tolist(),
            trades.quantity.tolist(),
            trades.first_trade_id.tolist(),
            trades.last_trade_id.tolist(),
            trades.timestamp.tolist(),
            trades.is_buyer_maker.tolist(),
            strict=True,
        )
    ]
