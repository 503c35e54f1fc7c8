"""Which archives there are, since when they are published, and their files: on disk, or made when asked for."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from dataprovider.simulator.absences import Absences, Span
from dataprovider.simulator.archive_faults import lacking
from dataprovider.simulator.archive_files import ArchiveFile, read_rows
from dataprovider.simulator.frames import archive_rows
from dataprovider.simulator.made_up import MadeUpMarket
from dataprovider.simulator.market import Market

HEADER = b"agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
HOUR_MS = 3_600_000
#: A row of an archive takes about so many bytes in its zip.
BYTES_PER_ROW = 14
PERIODS = ("daily", "monthly")
SETTLED_MS = 1000
#: Made archives are kept up to so many bytes in all, the newest.
KEPT_BYTES = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Item:
    """One archive: `period` is daily or monthly, `date` 2024-01-31 or 2024-01."""

    period: str
    symbol: str
    date: str

    @property
    def name(self) -> str:
        return f"{self.symbol}-aggTrades-{self.date}.zip"

    @property
    def key(self) -> str:
        return f"data/futures/um/{self.period}/aggTrades/{self.symbol}/{self.name}"

    def span_ms(self) -> tuple[int, int]:
        """First millisecond, and the one after the last."""
        if self.period == "daily":
            first = date.fromisoformat(self.date)
            return _ms(first), _ms(first + timedelta(days=1))
        first = date.fromisoformat(f"{self.date}-01")
        return _ms(first), _ms(_next_month(first))

    def published_ms(self, delay_hours: float) -> int:
        """A day appears the next day, a month on the first Monday of the next, at `delay_hours` UTC."""
        _, end = self.span_ms()
        if self.period == "monthly":
            first = datetime.fromtimestamp(end / 1000, UTC)
            end += (-first.weekday() % 7) * 24 * HOUR_MS
        return end + int(delay_hours * HOUR_MS)


def item_of(period: str, symbol: str, name: str) -> Item | None:
    """The archive a zip's name stands for; None when it is no archive's name."""
    if period not in PERIODS or "/" in symbol:
        return None
    date = name.removeprefix(f"{symbol}-aggTrades-").removesuffix(".zip")
    item = Item(period, symbol, date)
    if item.name != name or len(date) != (10 if period == "daily" else 7):
        return None
    try:
        item.span_ms()
    except ValueError:
        return None
    return item


class Shelf(Protocol):
    """Where archives come from. Its methods may be called from any thread."""

    def items(self, prefix: str) -> Iterator[Item]:
        """Every archive that could be published, whose key begins with `prefix` (or could: callers filter)."""
        ...

    def has(self, item: Item) -> bool: ...

    def file(self, item: Item) -> Path:
        """The zip. Raises KeyError when there is none."""
        ...

    def placed_ms(self, item: Item) -> int | None:
        """When somebody put the file there, which published it at once; None: it is published in its time."""
        ...

    def checksum(self, item: Item) -> bytes | None:
        """The checksum file as it came with the zip; None when it has to be computed."""
        ...

    def size(self, item: Item) -> int:
        """Bytes of the zip, estimated while it was not made."""
        ...

    def identity(self, item: Item) -> str:
        """Changes when the file does."""
        ...


class DiskShelf:
    """Archives from a folder, served unchanged, but for absent ids; copies without those are kept in `folder`."""

    def __init__(self, files: Sequence[ArchiveFile], absences: Absences, folder: Path) -> None:
        self._archives = {Item(file.period, file.symbol, file.date): file for file in files}
        self._files = {item: file.path for item, file in self._archives.items()}
        self._absences = absences
        self._folder = folder
        self._span = lru_cache(maxsize=None)(self._find_span)

    def items(self, prefix: str) -> Iterator[Item]:
        yield from self._files

    def has(self, item: Item) -> bool:
        return item in self._files

    def file(self, item: Item) -> Path:
        absent = self._absent(item)
        if not absent:
            return self._files[item]
        path = self._folder / item.period / hashlib.md5(repr(absent).encode(), usedforsecurity=False).hexdigest()
        return path / item.name if (path / item.name).exists() else lacking(self._files[item], path / item.name, absent)

    def placed_ms(self, item: Item) -> int | None:
        return None

    def checksum(self, item: Item) -> bytes | None:
        if self._absent(item):
            return None
        path = self._files[item]
        found = path.with_name(path.name + ".CHECKSUM")
        return found.read_bytes() if found.exists() else None

    def size(self, item: Item) -> int:
        return self.file(item).stat().st_size

    def identity(self, item: Item) -> str:
        stat = self._files[item].stat()
        return f"{stat.st_size}-{stat.st_mtime_ns}{self._absent(item) or ''}"

    def _absent(self, item: Item) -> list[Span]:
        return self._absences.within(item.symbol, *self._span(item)) if self._absences.of(item.symbol) else []

    def _find_span(self, item: Item) -> Span:
        """Its lowest id, and the one after its highest: rows of archives may be in any order."""
        spans = [(int(rows[:, 0].min()), int(rows[:, 0].max()) + 1) for rows in read_rows(self._archives[item])]
        return (min(first for first, _ in spans), max(end for _, end in spans)) if spans else (0, 0)


class MadeUpShelf:
    """Archives of the made-up market's past, made on demand and kept in `folder`.

    `market` gives the rows, `whole` is the same market with the ids that are absent.
    """

    def __init__(self, whole: MadeUpMarket, market: Market, absences: Absences, folder: Path) -> None:
        self._whole = whole
        self._market = market
        self._absences = absences
        self._folder = folder
        self._known = {contract.symbol for contract in market.contracts}
        # The past never changes, so neither does the answer.
        self._ids = lru_cache(maxsize=100_000)(self._find_ids)

    def items(self, prefix: str) -> Iterator[Item]:
        for contract in self._market.contracts:
            symbol_keys = [f"data/futures/um/{period}/aggTrades/{contract.symbol}/" for period in PERIODS]
            if any(key.startswith(prefix) or prefix.startswith(key) for key in symbol_keys):
                for item in self._dates(contract.symbol):
                    if self.has(item):
                        yield item

    def has(self, item: Item) -> bool:
        # The last trades of a day are seen a little after its end.
        if item.symbol not in self._known or item.span_ms()[1] + SETTLED_MS > self._market.now_ms():
            return False
        return self._rows(item) > 0

    def file(self, item: Item) -> Path:
        if not self.has(item):
            raise KeyError(item.key)
        path = self._path(item)
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            self._write(item, draft)
            draft.replace(path)
            self._forget_oldest(path)
        return path

    def placed_ms(self, item: Item) -> int | None:
        return None

    def checksum(self, item: Item) -> bytes | None:
        return None

    def size(self, item: Item) -> int:
        path = self._path(item)
        return path.stat().st_size if path.exists() else BYTES_PER_ROW * self._rows(item)

    def identity(self, item: Item) -> str:
        return self._runs(item)

    def _forget_oldest(self, spared: Path) -> None:
        files = [(path.stat().st_mtime, path.stat().st_size, path) for path in self._folder.rglob("*.zip")]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total > KEPT_BYTES and path != spared:
                path.unlink()
                total -= size

    def _dates(self, symbol: str) -> Iterator[Item]:
        begin = datetime.fromtimestamp(self._whole.segments[0].start_ms / 1000, UTC).date()
        today = datetime.fromtimestamp(self._market.now_ms() / 1000, UTC).date()
        for days in range((today - begin).days):
            yield Item("daily", symbol, (begin + timedelta(days=days)).isoformat())
        month = begin.replace(day=1)
        while _next_month(month) <= today:
            yield Item("monthly", symbol, f"{month:%Y-%m}")
            month = _next_month(month)

    def _find_ids(self, item: Item) -> Span:
        now = self._whole.now_ms()
        first, end = (self._whole.first_id_since(item.symbol, edge, now) for edge in item.span_ms())
        return first, end

    def _rows(self, item: Item) -> int:
        return sum(end - first for first, end in self._absences.outside(item.symbol, *self._ids(item)))

    def _runs(self, item: Item) -> str:
        """What the rows follow from: files made under other parameters must not be taken for these."""
        first, end = self._ids(item)
        names = [segment.parameters.fingerprint for segment in self._whole.segments]
        absent = self._absences.within(item.symbol, first, end)
        found = repr((item, first, end, names, *absent)).encode()
        return hashlib.md5(found, usedforsecurity=False).hexdigest()

    def _path(self, item: Item) -> Path:
        return self._folder / item.period / self._runs(item)[:16] / item.name

    def _write(self, item: Item, path: Path) -> None:
        first, end = self._ids(item)
        # A fixed date inside the zip: made again, it has the same checksum.
        info = zipfile.ZipInfo(item.name.replace(".zip", ".csv"), date_time=(2024, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(info, "w", force_zip64=True) as out,
        ):
            out.write(HEADER)
            for piece in self._market.read(item.symbol, first, end):
                out.write(archive_rows(piece))


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
