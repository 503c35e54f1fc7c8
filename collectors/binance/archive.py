"""The archives at data.binance.vision: which there are, and fetching one, checked against its checksum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from collectors.binance.archivedownload import Download, never, unseen
from collectors.binance.archivelisting import Listed, read_page
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
from collectors.binance.wholebody import BodyUnusable, whole_body

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

#: Seconds to connect, and seconds without a byte.
TIMEOUT = (5.0, 30.0)
#: A page of 1000 keys takes about 0.4 MB; a checksum 100 bytes.
MOST_PAGE_BYTES = 8_000_000
MOST_CHECKSUM_BYTES = 1_000
#: How long either may take as a whole (seconds).
LONGEST_S = 120.0
#: Daily archives of a contract fill a page in three years (each has a checksum beside it).
MOST_PAGES = 200
_SHA256_HEX = frozenset("0123456789abcdef")


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

        Raises ArchiveUnreachable, also when the answer is no listing; ValueError as ArchiveName does.
        """
        prefix = ArchiveName(symbol, period, "2019-12-31" if period == DAILY else "2019-12").folder
        found: dict[ArchiveName, Listed] = {}
        marker = ""
        for _ in range(MOST_PAGES):
            body = self._small(
                self._listing_url, MOST_PAGE_BYTES, {"delimiter": "/", "prefix": prefix, "marker": marker}
            )
            if body is None:
                raise ArchiveUnreachable(
                    f"There is no listing at {self._listing_url}: check BINANCE_ARCHIVE_LISTING_URL."
                )
            try:
                page = read_page(body, symbol, period)
            except ValueError as error:
                raise ArchiveUnreachable(f"What answers at {self._listing_url} is no listing: {error}.") from None
            found |= {each.name: each for each in page.archives}
            if not page.next_marker:
                return [found[name] for name in sorted(found)]
            if page.next_marker.encode() <= marker.encode():
                break
            marker = page.next_marker
        raise ArchiveUnreachable(f"The listing at {self._listing_url} does not come to an end for {symbol}.")

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
        raised, nothing new is in the folder. Raises ArchiveMissing, ArchiveUnchanged (only when `known_etag` is given),
        ChecksumWrong, ArchiveUnreachable, FolderUnusable, GaveUp.
        """
        if give_up():
            raise GaveUp(name.file)
        with self._open(f"{self._base_url}/{name.path}", known_etag=known_etag) as answer:
            etag = answer.headers.get("ETag", "").removeprefix("W/").strip('"')
            if answer.status_code == 404:
                raise ArchiveMissing(name.file, "archive")
            if answer.status_code == 304 or (known_etag and etag == known_etag):
                raise ArchiveUnchanged(name.file)
            # Before the body: without its checksum a file is of no use.
            expected = self._checksum(name, etag)
            with Download(answer, folder, name.file) as download:
                download.run(progress, give_up)
                if download.sha256 != expected:
                    raise ChecksumWrong(name.file, etag, expected, download.sha256)
                return Fetched(download.keep(), etag, download.sha256, download.size)

    def _checksum(self, name: ArchiveName, etag: str) -> str:
        """The SHA-256 out of `<sha256>  <name>`, with or without a newline."""
        body = self._small(f"{self._base_url}/{name.path}.CHECKSUM", MOST_CHECKSUM_BYTES)
        if body is None:
            raise ArchiveMissing(name.file, "checksum")
        text = body.decode("utf-8", "replace")
        found = text.split()[0].lower() if text.split() else ""
        if len(found) != 64 or not _SHA256_HEX.issuperset(found):
            raise ChecksumWrong(name.file, etag, text[:64], "")
        return found

    def _small(self, url: str, most: int, params: dict[str, str] | None = None) -> bytes | None:
        """A whole answer of at most `most` bytes, None for 404."""
        with self._open(url, params=params) as answer:
            if answer.status_code == 404:
                return None
            try:
                return whole_body(answer, most, LONGEST_S)
            except BodyUnusable as problem:
                raise ArchiveUnreachable(f"What answers at {url} {problem}. Try again later.") from problem

    def _open(self, url: str, *, params: dict[str, str] | None = None, known_etag: str = "") -> requests.Response:
        """An answer whose body was not read yet, with the status 200, 404 or, for the known file, 304."""
        headers = {"Accept-Encoding": "identity"}
        if known_etag:
            headers["If-None-Match"] = f'"{known_etag}"'
        try:
            answer = self._session.get(url, params=params, headers=headers, stream=True, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise ArchiveUnreachable(
                f"The archive does not answer at {url}: check the network, or the address. ({type(error).__name__})"
            ) from error
        if answer.status_code in ((200, 304, 404) if known_etag else (200, 404)):
            return answer
        answer.close()
        meanings = {
            403: "its firewall blocks this address",
            429: "too many requests",
            451: "not served to this location",
        }
        meaning = meanings.get(answer.status_code, "an unexpected answer")
        raise ArchiveUnreachable(f"The archive at {url} answered {answer.status_code}: {meaning}. Try again later.")
