"""The archive face: /data/futures/um/… with checksums, and the S3 listing at /listing."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO

from aiohttp import web

from dataprovider.simulator.archive_faults import corrupted, partial
from dataprovider.simulator.archive_shelf import Item, Shelf, item_of
from dataprovider.simulator.faults import Archive, Faults
from dataprovider.simulator.limits import Limits
from dataprovider.simulator.listing import Entry, list_bucket
from dataprovider.simulator.market import Market

PIECE_BYTES = 262_144
NO_SUCH_KEY = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"
)
CHECKSUM = ".CHECKSUM"


@dataclass(frozen=True, slots=True)
class _Found:
    """What a request gets. The file is open: it may be replaced before it is sent."""

    file: BinaryIO
    checksum: bytes | None
    headers: dict[str, str]


class Archives:
    """Handlers of the archives. `spoiled` is a folder for files made wrong by faults."""

    def __init__(self, market: Market, shelf: Shelf, limits: Limits, faults: Faults, spoiled: Path) -> None:
        self._market = market
        self._shelf = shelf
        self._limits = limits
        self._faults = faults
        self._spoiled = spoiled
        self._checksums: dict[Path, str] = {}
        #: Making an archive takes processor time the streams need too: one at a time.
        self._making = asyncio.Lock()

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/data/futures/um/{period}/aggTrades/{symbol}/{name}", self._get)
        router.add_get("/listing", self._list)
        router.add_get("/listing/", self._list)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        item = item_of(request.match_info["period"], request.match_info["symbol"], name.removesuffix(CHECKSUM))
        if item is None:
            return _no_such_key()
        try:
            if not await asyncio.to_thread(self._is_published, item) or self._fault(item, "missing", "late"):
                return _no_such_key()
            async with self._making:
                found = await asyncio.to_thread(self._found, item, name.endswith(CHECKSUM))
        except (KeyError, FileNotFoundError):
            # Taken away in between.
            return _no_such_key()
        except (OSError, zipfile.BadZipFile) as error:
            reason = getattr(error, "strerror", None) or error
            return web.Response(status=503, text=f"{item.name} cannot be made here: {reason}.")
        with found.file as file:
            if found.checksum is not None:
                return web.Response(body=found.checksum, headers=found.headers, content_type="binary/octet-stream")
            if request.headers.get("If-None-Match") == found.headers["ETag"]:
                return web.Response(status=304, headers=found.headers)
            size = os.fstat(file.fileno()).st_size
            headers = {**found.headers, "Content-Length": str(size), "Content-Type": "application/zip"}
            response = web.StreamResponse(headers=headers)
            # A client may be gone before its archive is made, or in the middle of it.
            with contextlib.suppress(ConnectionResetError):
                await response.prepare(request)
                if request.method == "GET":
                    while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                        await response.write(piece)
        return response

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        text = await asyncio.to_thread(
            self._listed,
            query.get("prefix", ""),
            query.get("delimiter", ""),
            query.get("marker", ""),
            query.get("max-keys", ""),
        )
        return web.Response(text=text, content_type="application/xml", charset="utf-8")

    def _listed(self, prefix: str, delimiter: str, marker: str, most: str) -> str:
        entries: list[Entry] = []
        for item in self._shelf.items(prefix):
            try:
                if self._is_published(item) and not self._fault(item, "missing"):
                    entries += self._entries(item)
            except (KeyError, FileNotFoundError):
                # Taken away in between.
                continue
        return list_bucket(entries, prefix, delimiter, marker, int(most) if most.isdecimal() else None)

    def _entries(self, item: Item) -> list[Entry]:
        modified = datetime.fromtimestamp(self._modified_ms(item) / 1000, UTC)
        etag = self._etag(item)
        return [
            Entry(item.key, self._shelf.size(item), etag, modified),
            Entry(item.key + CHECKSUM, len(item.name) + 67, etag[::-1], modified),
        ]

    def _found(self, item: Item, wants_checksum: bool) -> _Found:
        path = self._file(item)
        headers = {
            "ETag": f'"{self._etag(item)}"',
            "Last-Modified": formatdate(self._modified_ms(item) / 1000, usegmt=True),
        }
        checksum = self._checksum(item, path) if wants_checksum else None
        return _Found(path.open("rb"), checksum, headers)

    def _is_published(self, item: Item) -> bool:
        delay = self._limits.archive_delay_hours
        placed = self._shelf.placed_ms(item) is not None
        if not placed and delay >= 0 and self._market.now_ms() < item.published_ms(delay):
            return False
        return self._shelf.has(item)

    def _modified_ms(self, item: Item) -> int:
        placed = self._shelf.placed_ms(item)
        return placed if placed is not None else item.published_ms(max(0.0, self._limits.archive_delay_hours))

    def _etag(self, item: Item) -> str:
        spoiled = self._fault(item, "corrupt", "partial")
        text = f"{self._shelf.identity(item)}/{spoiled.kind if spoiled else ''}"
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def _file(self, item: Item) -> Path:
        right = self._shelf.file(item)
        fault = self._fault(item, "corrupt", "partial")
        if fault is None:
            return right
        wrong = self._spoiled / fault.kind / item.period / item.name
        return corrupted(right, wrong) if fault.kind == "corrupt" else partial(right, wrong)

    def _checksum(self, item: Item, path: Path) -> bytes:
        """`<sha256>  <name>`, of the right file when the served one is corrupt."""
        if self._fault(item, "checksum"):
            return f"{'0' * 64}  {item.name}\n".encode()
        right = self._shelf.file(item)
        if not self._fault(item, "partial"):
            found = self._shelf.checksum(item)
            if found is not None:
                return found
            path = right
        digest = self._checksums.get(path) if path == right else None
        if digest is None:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._checksums[path] = digest
        return f"{digest}  {item.name}\n".encode()

    def _fault(self, item: Item, *kinds: str) -> Archive | None:
        for fault in self._faults.of(Archive):
            hit = fault.symbol in (None, item.symbol) and fault.date in (None, item.date)
            if hit and fault.period in (None, item.period) and fault.kind in kinds:
                return fault
        return None


def _no_such_key() -> web.Response:
    return web.Response(status=404, text=NO_SUCH_KEY, content_type="application/xml")
