"""Verifying a symbol: the whole table read anew, down to the ids of every row; nothing remembered is believed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from integrity.checks.coverage import evidence_of
from integrity.checks.ids import Range, Slice, common, united
from integrity.checks.judge import MonthIds, judge, vanished
from integrity.checks.read import MonthReader, Unread
from integrity.checks.state import held_shards
from integrity.checks.symbol import known_extent, resolve_overlaps
from integrity.checks.verifydays import DayVerdict
from integrity.checks.view import StoreView
from integrity.models import SymbolTrust

#: A day that changes while it is read is read again; so often at most.
MOST_TRIES = 3


class StillChanging(Exception):
    """Trades are being stored in the middle of what is verified; `str()` says of which symbol."""

    def __init__(self, symbol: str) -> None:
        super().__init__(
            f"Old trades of {symbol} are being stored at this moment (a backfill or a recovery): verify it afterwards."
        )


@dataclass(slots=True)
class SymbolReport:
    """What is stored of a symbol, of the first to the last id that ever was.

    count: rows. missing: ids that are not stored and not known to be absent. duplicates: rows beyond the first of the
    same trade; twins, different trades under one id, are none. absent: ids that the exchange itself does not have, and
    how that is known. first_id and last_id are None when nothing is stored. collected: somebody collects it just now,
    so that the newest minute, which may still be on its way, is left out.
    """

    symbol: str
    first_id: int | None = None
    last_id: int | None = None
    count: int = 0
    missing: list[Range] = field(default_factory=list)
    duplicates: int = 0
    twins: int = 0
    absent: list[tuple[int, int, dict[str, Any]]] = field(default_factory=list)
    archive: list[DayVerdict] | None = None
    collected: bool = False

    @property
    def complete(self) -> bool:
        """Whether everything from its first to its last id is there, once."""
        return self.first_id is not None and not self.missing and not self.duplicates

    def as_json(self) -> dict[str, Any]:
        """As --json shows it."""
        found: dict[str, Any] = {
            "symbol": self.symbol,
            "first_id": self.first_id,
            "last_id": self.last_id,
            "count": self.count,
            "missing": [{"first_id": first, "last_id": last} for first, last in self.missing],
            "duplicates": self.duplicates,
            "twins": self.twins,
            "absent_upstream": [
                {"first_id": first, "last_id": last, "evidence": evidence} for first, last, evidence in self.absent
            ],
            "complete": self.complete,
            "collected": self.collected,
        }
        if self.archive is not None:
            found["archive"] = [verdict.as_json() for verdict in self.archive]
        return found


class Verification:
    """The symbols that are or were stored, or those of `names` (also without any trade), ready to be verified.

    `unknown`: names that are neither stored nor in the list of contracts. Raises ClickHouseError and django.db.Error.
    """

    def __init__(self, store: ClickHouse, names: Collection[str] | None, stop: Callable[[], bool]) -> None:
        listed = Symbol.objects.order_by("onboard_date")
        if names is not None:
            listed = listed.filter(name__in=names)
        self._store = store
        self._stop = stop
        self._held = held_shards()
        self._shards = dict(listed.values_list("name", "shard"))
        view = self._view(names)
        # Also what was stored once and is gone.
        trusted = set(SymbolTrust.objects.values_list("symbol__name", flat=True)) if names is None else set()
        found = view.months.keys() | (trusted if names is None else self._shards.keys())
        self.symbols = sorted(found if names is None else set(names) & found)
        self.unknown = sorted(set(names or ()) - set(self.symbols))

    def verify(self, symbol: str) -> SymbolReport:
        """Read everything of a symbol that can be judged: all, or while somebody collects it what is a minute old.

        Raises Interrupted, StillChanging, ClickHouseError and django.db.Error.
        """
        for _ in range(MOST_TRIES):
            report = self._try(symbol)
            if report is not None:
                return report
        raise StillChanging(symbol)

    def closed_days(self, symbol: str) -> list[Slice]:
        """The days of a symbol that no trade is added to any more but by a repair, ascending."""
        view = self._view([symbol])
        arriving = view.arriving.get(symbol)
        days = view.days(symbol, view.months.get(symbol, []))
        return [day for day in days if arriving is None or not arriving.is_open(day.start)]

    def _try(self, symbol: str) -> SymbolReport | None:
        """None when the table changed meanwhile, so that the reading is not of one moment."""
        view = self._view([symbol])
        months = view.months.get(symbol, [])
        known = known_extent(SymbolTrust.objects.filter(symbol__name=symbol).order_by("symbol__onboard_date").last())
        evidence = evidence_of(symbol)
        absent = united((first, last) for first, last, _ in evidence.absent)
        if not months:
            first_id, last_id = known or (None, None)
            return SymbolReport(symbol, first_id, last_id, missing=vanished(known, None, absent))
        days, arriving = view.days(symbol, months), view.arriving.get(symbol)
        unread = [
            Unread(
                since := month.whole.start,
                until := month.until,
                [day for day in days if since <= day.start < until],
            )
            for month in months
        ]
        reads = MonthReader(self._store, symbol, self._stop).read(unread, arriving, prove_open=True)
        closed = sum(1 for day in days if arriving is None or not arriving.is_open(day.start))
        if sum(read.known.days for read in reads) != closed:
            return None
        verdict = judge([MonthIds(read.runs, proved=True) for read in reads], absent, begins=True)
        if verdict is None:
            return SymbolReport(symbol, collected=arriving is not None)
        resolve_overlaps(self._store, symbol, verdict)
        stored = (min(month.whole.first_id for month in months), max(month.whole.last_id for month in months))
        lost = vanished(known, stored, absent)
        ends = [each for bounds in lost for each in bounds]
        return SymbolReport(
            symbol,
            min([verdict.first_id, *ends]),
            max([verdict.last_id, *ends]),
            count=sum(run.rows for read in reads for run in read.runs),
            missing=sorted([*verdict.missing, *lost]),
            duplicates=sum(month.duplicates for month in verdict.months),
            twins=sum(month.twins for month in verdict.months),
            absent=_absent(verdict.holes, evidence.absent),
            collected=arriving is not None,
        )

    def _view(self, names: Collection[str] | None) -> StoreView:
        shards = self._shards
        collected = [name for name in (shards if names is None else names) if shards.get(name) in self._held]
        return StoreView.read(self._store, names, collected)


def _absent(
    holes: Sequence[Range], known: Sequence[tuple[int, int, dict[str, Any]]]
) -> list[tuple[int, int, dict[str, Any]]]:
    """The holes that are known to be absent, each with its evidence, no id twice."""
    found: list[tuple[int, int, dict[str, Any]]] = []
    after = 0
    for first, last, evidence in sorted(known, key=lambda each: each[:2]):
        for low, high in common(holes, [(max(first, after), last)]):
            found.append((low, high, evidence))
        after = max(after, last + 1)
    return found
