"""How the exchange names its archives: one zip per contract and day, one per contract and month."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from urllib.parse import quote

#: Where the archives of USDⓈ-M futures are, below the address of the archive and in the bucket's listing alike.
ROOT = "data/futures/um"
DAILY, MONTHLY = "daily", "monthly"
_DATES = {DAILY: re.compile(r"\d{4}-\d\d-\d\d", re.ASCII), MONTHLY: re.compile(r"\d{4}-\d\d", re.ASCII)}
#: What may not stand in a file's name; a symbol comes from the exchange, and from an admin's keyboard.
_UNSAFE = re.compile(r"[/\\\x00-\x1f]")


@dataclass(frozen=True, slots=True, order=True)
class ArchiveName:
    """One archive. `period` is "daily" or "monthly", `date` then 2024-01-31 or 2024-01 (UTC).

    Raises ValueError for another period, a date that is none, and a symbol that no file can be named after.
    """

    symbol: str
    period: str
    date: str

    def __post_init__(self) -> None:
        if not self.symbol or _UNSAFE.search(self.symbol):
            raise ValueError(f"{self.symbol!r} is not a symbol")
        if self.period not in _DATES:
            raise ValueError(f"{self.period!r} is neither daily nor monthly")
        if not _DATES[self.period].fullmatch(self.date):
            raise ValueError(f"{self.date!r} is not the date of a {self.period} archive")
        _ = self.first_day

    @classmethod
    def daily(cls, symbol: str, day: datetime.date) -> ArchiveName:
        """The archive of one day."""
        return cls(symbol, DAILY, day.isoformat())

    @classmethod
    def monthly(cls, symbol: str, day: datetime.date) -> ArchiveName:
        """The archive of the month that `day` is in."""
        return cls(symbol, MONTHLY, f"{day:%Y-%m}")

    @property
    def file(self) -> str:
        """BTCUSDT-aggTrades-2024-01-31.zip."""
        return f"{self.symbol}-aggTrades-{self.date}.zip"

    @property
    def folder(self) -> str:
        """data/futures/um/daily/aggTrades/BTCUSDT/, not encoded: the prefix of its key in the bucket."""
        return f"{ROOT}/{self.period}/aggTrades/{self.symbol}/"

    @property
    def path(self) -> str:
        """Folder and file as they stand in an address: UTF-8, percent-encoded, without a leading slash."""
        return quote(self.folder + self.file)

    @property
    def first_day(self) -> datetime.date:
        return datetime.date.fromisoformat(self.date if self.period == DAILY else f"{self.date}-01")

    @property
    def last_day(self) -> datetime.date:
        """Included."""
        first = self.first_day
        if self.period == DAILY:
            return first
        return (first + datetime.timedelta(days=31)).replace(day=1) - datetime.timedelta(days=1)
