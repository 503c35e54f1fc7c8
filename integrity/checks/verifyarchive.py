"""Archived days for a verification, out of the exchange's archives: the daily file, else the month's."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from collectors.binance.archive import (
    ArchiveMissing,
    ArchiveName,
    Archives,
    ArchiveUnreadable,
    ChecksumWrong,
    never,
)
from collectors.binance.archivefile import read_days
from dataprovider.clickhouse import TradeColumns
from integrity.checks.verifydays import ArchiveSummary, NoArchive, UnusableArchive
from integrity.recovery.contracts import archived_days

#: So many trades are compared at a time.
PIECE = 100_000


class ArchiveFingerprints:
    """See verifydays.DayFingerprints. Keeps the file it read last in `folder`, and what each day of it came to.

    Raises beside that what Archives.fetch raises of the network, the disk and a stop (ArchiveProblem).
    """

    def __init__(self, archives: Archives, folder: Path, give_up: Callable[[], bool] = never) -> None:
        self._archives = archives
        self._folder = folder
        self._give_up = give_up
        self._listed: dict[str, tuple[date, date] | None] = {}
        self._missing: set[ArchiveName] = set()
        self._name: ArchiveName | None = None
        self._path = folder
        self._days: dict[date, ArchiveSummary] = {}

    def of(self, symbol: str, day: date) -> ArchiveSummary:
        self._check_listed(symbol, day)
        for name in (ArchiveName.daily(symbol, day), ArchiveName.monthly(symbol, day)):
            try:
                self._open(name)
            except ArchiveMissing:
                self._missing.add(name)
                continue
            if day in self._days:
                return self._days[day]
        raise NoArchive("the exchange has no archive of it")

    def trades(self, symbol: str, day: date) -> Iterator[TradeColumns]:
        if self._name is None or self._name.symbol != symbol or day not in self._days:
            self.of(symbol, day)
        assert self._name is not None
        for found in read_days(self._path, self._name, self._folder, give_up=self._give_up):
            if found.day == day:
                yield from found.pieces(PIECE)
                return

    def close(self) -> None:
        """Remove what was downloaded."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _check_listed(self, symbol: str, day: date) -> None:
        if symbol not in self._listed:
            self._listed[symbol] = archived_days(self._archives, symbol)
        days = self._listed[symbol]
        if days is None:
            raise NoArchive("the exchange lists no archive of this symbol")
        if day < days[0]:
            raise NoArchive(f"the exchange's archives begin on {days[0]}")
        if day > days[1]:
            raise NoArchive("not published yet")

    def _open(self, name: ArchiveName) -> None:
        """Have `name` on disk, and its days summed up."""
        if name == self._name:
            return
        if name in self._missing:
            raise ArchiveMissing(name.file, "archive")
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            path = self._archives.fetch(name, self._folder, give_up=self._give_up).path
            # Not before: while days of a month have no file of their own, the month's is needed again and again.
            self._forget()
            days = {
                found.day: ArchiveSummary(name.file, found.rows, found.fingerprint(), found.first_id, found.last_id)
                for found in read_days(path, name, self._folder, give_up=self._give_up)
            }
        except (ChecksumWrong, ArchiveUnreadable) as problem:
            raise UnusableArchive(str(problem)) from None
        self._name, self._path, self._days = name, path, days

    def _forget(self) -> None:
        if self._name is not None:
            self._path.unlink(missing_ok=True)
        self._name, self._days = None, {}
