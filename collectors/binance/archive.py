"""The archives at data.binance.vision: which there are, and fetching one, checked against its checksum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from collectors.binance.archivename import DAILY, MONTHLY, ArchiveName
from collectors.binance.archiveproblems import (
    ArchiveMissing,
    ArchiveProblem,
    ArchiveUnchanged,
    ArchiveUnreachable,
    ArchiveUnreadable,
    ChecksumWrong,
    FolderUnusable,
    GaveUp,
)

__all__ = [
    "DAILY",
    "MONTHLY",
    "ArchiveMissing",
    "ArchiveName",
    "ArchiveProblem",
    "ArchiveUnchanged",
    "ArchiveUnreachable",
    "ArchiveUnreadable",
    "Archives",
    "ChecksumWrong",
    "Fetched",
    "FolderUnusable",
    "GaveUp",
    "Listed",
    "never",
]


def never() -> bool:
    """The `give_up` of a caller that waits."""
    return False


def unseen(done: int, total: int) -> None:
    """The `progress` of a caller that does not look."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An archive as the bucket lists it: `etag` without quotes, `size` in bytes, `modified_ms` since 1970."""

    name: ArchiveName
    etag: str
    size: int
    modified_ms: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """An archive on disk that matches its checksum: `sha256` in hex, `size` in bytes, `etag` without quotes."""

    path: Path
    etag: str
    sha256: str
    size: int


class Archives:
    """The archive at `base_url` (https://data.binance.vision) and the listing of its bucket at `listing_url`.

    For one thread, as its `session` is.
    """

    def __init__(self, base_url: str, listing_url: str, session: requests.Session | None = None) -> None:
        self._base_url = base_url.rstrip("/")
        self._listing_url = listing_url
        self._session = session or requests.Session()

    def listed(self, symbol: str, period: str) -> list[Listed]:
        """Every archive of a contract that is published now, by date; empty when there is none.

        Raises ArchiveUnreachable, also when the answer is no listing.
        """
        raise NotImplementedError

    def fetch(
        self,
        name: ArchiveName,
        folder: Path,
        *,
        known_etag: str = "",
        progress: Callable[[int, int], None] = unseen,
        give_up: Callable[[], bool] = never,
    ) -> Fetched:
        """Download an archive to `folder / name.file` and compare it with its published checksum.

        `progress(done, total)`: bytes, total 0 when the exchange does not say. `give_up()` is asked often. Whatever is
        raised, nothing stays in the folder but a file that was there before. Raises ArchiveMissing, ArchiveUnchanged
        (only when `known_etag` is given), ChecksumWrong, ArchiveUnreachable, FolderUnusable, GaveUp.
        """
        raise NotImplementedError
