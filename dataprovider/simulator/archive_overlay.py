"""Archives laid over those of the market while the exchange runs: --archive-overlay."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from dataprovider.simulator.archive_shelf import Item, Shelf, item_of

CHECKSUM_END = ".CHECKSUM"
ABSENT_END = ".absent"


class OverlayShelf:
    """See archive_shelf.Shelf. The files of `folder` come first, then those of the shelf `under` it.

    In {daily|monthly}/SYM/ below `folder`: SYM-aggTrades-DATE.zip is served in place of what is under it, or in
    addition; SYM-aggTrades-DATE.zip.CHECKSUM is its checksum (computed when there is none), or that of the archive
    under it; with SYM-aggTrades-DATE.zip.absent there is neither archive nor checksum. Nothing is remembered: files
    are looked at anew for every request.
    """

    def __init__(self, under: Shelf, folder: Path) -> None:
        self._under = under
        self._folder = folder

    def items(self, prefix: str) -> Iterator[Item]:
        own = set(self._placed())
        yield from own
        yield from (item for item in self._under.items(prefix) if item not in own)

    def has(self, item: Item) -> bool:
        return not self._is_hidden(item) and (self._path(item).is_file() or self._under.has(item))

    def file(self, item: Item) -> Path:
        path = self._path(item)
        return path if path.is_file() else self._under.file(item)

    def placed_ms(self, item: Item) -> int | None:
        path = self._path(item)
        return path.stat().st_mtime_ns // 1_000_000 if path.is_file() else self._under.placed_ms(item)

    def checksum(self, item: Item) -> bytes | None:
        path = self._path(item)
        beside = path.with_name(path.name + CHECKSUM_END)
        if beside.is_file():
            return beside.read_bytes()
        return f"{_sha256(path)}  {item.name}\n".encode() if path.is_file() else self._under.checksum(item)

    def size(self, item: Item) -> int:
        path = self._path(item)
        return path.stat().st_size if path.is_file() else self._under.size(item)

    def identity(self, item: Item) -> str:
        # Its content, not its time: a test may replace a file twice within the clock of the file system.
        path = self._path(item)
        return _sha256(path) if path.is_file() else self._under.identity(item)

    def _path(self, item: Item) -> Path:
        return self._folder / item.period / item.symbol / item.name

    def _is_hidden(self, item: Item) -> bool:
        path = self._path(item)
        return path.with_name(path.name + ABSENT_END).exists()

    def _placed(self) -> Iterator[Item]:
        for path in self._folder.glob("*/*/*.zip"):
            item = item_of(path.parent.parent.name, path.parent.name, path.name)
            if item is not None:
                yield item


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
