"""Days of a symbol out of the exchange's archives, and what is remembered of each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from collectors.binance.archive import (
    ArchiveName,
    Archives,
    ArchiveUnchanged,
    ArchiveUnreadable,
    ChecksumWrong,
    Fetched,
)
from collectors.binance.archivefile import ArchiveDay, read_days
from integrity.models import ArchiveFile, FileVerdict


class BadArchive(Exception):
    """The file is there and cannot be used; `str()` says why. It is looked at again when the exchange replaces it."""


class ArchiveDays:
    """Fetches archives into `folder` and reads them day by day."""

    def __init__(self, archives: Archives, folder: Path, give_up: Callable[[], bool]) -> None:
        self._archives = archives
        self._folder = folder
        self._give_up = give_up

    @contextmanager
    def of(self, name: ArchiveName) -> Iterator[Iterator[ArchiveDay]]:
        """The days of one archive, ascending, each to be used before the next; the file is gone when the block ends.

        Raises ArchiveMissing, BadArchive (also while the days are read), and what Archives.fetch raises of the network,
        the disk and a stop.
        """
        known = ArchiveFile.objects.filter(symbol=name.symbol, period=name.period, date=name.date).first()
        # A checksum that did not match may itself have been the wrong one, and is put right in a file of its own.
        is_bad = known is not None and known.verdict not in (FileVerdict.GOOD, FileVerdict.CHECKSUM)
        bad_etag = known.etag if known is not None and is_bad else ""
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            fetched = self._archives.fetch(name, self._folder, known_etag=bad_etag, give_up=self._give_up)
        except ArchiveUnchanged:
            reason = known.reason if known is not None else ""
            raise BadArchive(f"{name.file} was not replaced since it could not be used: {reason}") from None
        except ChecksumWrong as wrong:
            _remember(name, FileVerdict.CHECKSUM, wrong.etag, reason=str(wrong))
            raise BadArchive(str(wrong)) from None
        try:
            yield self._read(name, fetched)
        finally:
            fetched.path.unlink(missing_ok=True)

    def _read(self, name: ArchiveName, fetched: Fetched) -> Iterator[ArchiveDay]:
        rows = duplicates = 0
        ids: list[int] = []
        try:
            for day in read_days(fetched.path, name, self._folder, give_up=self._give_up):
                rows += day.rows
                duplicates += day.duplicates
                ids += (day.first_id, day.last_id)
                yield day
        except ArchiveUnreadable as problem:
            _remember(name, FileVerdict.UNREADABLE, fetched.etag, sha256=fetched.sha256, reason=str(problem))
            raise BadArchive(str(problem)) from None
        _remember(
            name,
            FileVerdict.GOOD,
            fetched.etag,
            sha256=fetched.sha256,
            rows=rows,
            duplicates=duplicates,
            first_id=min(ids, default=None),
            last_id=max(ids, default=None),
        )


def _remember(name: ArchiveName, verdict: FileVerdict, etag: str, **fields: object) -> None:
    values = {"verdict": verdict, "etag": etag[:100], "reason": "", **fields}
    ArchiveFile.objects.update_or_create(symbol=name.symbol, period=name.period, date=name.date, defaults=values)
