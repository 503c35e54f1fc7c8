"""Comparing stored days with archived ones: by fingerprint, and row by row only where that differs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Protocol

import numpy as np

from collectors.batch import selected
from dataprovider.clickhouse import ClickHouse, TradeColumns
from dataprovider.clickhouse.fingerprint import row_hashes
from integrity.checks.ids import Range, Slice, united
from integrity.checks.read import DAY
from integrity.recovery.planner import day_of

#: Above every id that the exchange gives.
NO_LIMIT = 2**63


class Comparison(StrEnum):
    """How a stored day compares with the archive's."""

    EQUAL = "equal"
    STORED_HAS_MORE = "stored_has_more"  # every trade of the archive is stored, and others, or one twice
    STORED_HAS_LESS = "stored_has_less"  # trades of the archive are not stored
    DIFFERS = "differs"  # every trade is stored, some with another content
    NO_ARCHIVE = "no_archive"  # the exchange has not published it (yet), or not so far back
    BAD_ARCHIVE = "bad_archive"  # it is there and cannot be used

    @property
    def is_fine(self) -> bool:
        """Whether nothing is known to be wrong with what is stored."""
        return self in (Comparison.EQUAL, Comparison.STORED_HAS_MORE, Comparison.NO_ARCHIVE)


@dataclass(slots=True)
class DayVerdict:
    """A stored day beside its archive. `note` says more in words.

    missing: ids of trades that only the archive has; extra: that only the table has; changed: that both have, with
    different content.
    """

    day: date
    comparison: Comparison
    stored: int
    archived: int | None = None
    missing: list[Range] = field(default_factory=list)
    extra: list[Range] = field(default_factory=list)
    changed: list[Range] = field(default_factory=list)
    file: str = ""
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        """As --json shows it."""
        found: dict[str, Any] = {
            "day": self.day.isoformat(),
            "verdict": self.comparison.value,
            "stored": self.stored,
            "archived": self.archived,
        }
        for name in ("missing", "extra", "changed"):
            if getattr(self, name):
                found[name] = [{"first_id": first, "last_id": last} for first, last in getattr(self, name)]
        found |= {name: value for name, value in (("file", self.file), ("note", self.note)) if value}
        return found


@dataclass(frozen=True, slots=True)
class ArchiveSummary:
    """A day in an archive: its different trades. No ids where it has none."""

    file: str
    rows: int
    fingerprint: int
    first_id: int | None = None
    last_id: int | None = None


class NoArchive(Exception):
    """There is no archive of the day; `str()` is a clause that says why."""


class UnusableArchive(Exception):
    """There is one that cannot be used; `str()` says why."""


class DayFingerprints(Protocol):
    """Where archived days come from."""

    def of(self, symbol: str, day: date) -> ArchiveSummary:
        """What the archive has of a day (UTC). Raises NoArchive, UnusableArchive, and when it cannot be asked."""

    def trades(self, symbol: str, day: date) -> Iterator[TradeColumns]:
        """The trades of a day that `of` was just asked of, ascending by aggregate id. Raises likewise."""


def compare(store: ClickHouse, archives: DayFingerprints, symbol: str, day: Slice) -> DayVerdict:
    """The verdict over one stored day. Raises ClickHouseError, and what `archives` raises when it cannot be asked."""
    verdict = DayVerdict(day_of(day.start * 1000), Comparison.EQUAL, stored=day.rows)
    try:
        archived = archives.of(symbol, verdict.day)
        verdict.file, verdict.archived = archived.file, archived.rows
        if (archived.rows, archived.fingerprint) != (day.rows, day.fingerprint):
            _compare_rows(store, symbol, day, archives.trades(symbol, verdict.day), verdict)
    except NoArchive as reason:
        verdict.comparison, verdict.note = Comparison.NO_ARCHIVE, str(reason)
    except UnusableArchive as reason:
        verdict.comparison, verdict.note = Comparison.BAD_ARCHIVE, str(reason)
    return verdict


def _compare_rows(
    store: ClickHouse, symbol: str, day: Slice, archived: Iterable[TradeColumns], verdict: DayVerdict
) -> None:
    missing, extra, changed = list[int](), list[int](), list[int]()
    twice = 0
    for first_id, last_id, piece in _windows(archived):
        rows = store.query(
            "trade_hashes",
            symbol=symbol,
            since=day.start,
            until=day.start + DAY,
            first_id=first_id,
            last_id=last_id,
        )
        stored: dict[tuple[int, int], Counter[int]] = {}
        for aggregate_id, first_trade_id, row_hash, count in rows:
            stored.setdefault((int(aggregate_id), int(first_trade_id)), Counter())[int(row_hash)] += int(count)
        for key, row_hash in _hashed(piece):
            found = stored.pop(key, None)
            if found is None:
                missing.append(key[0])
            elif row_hash not in found:
                changed.append(key[0])
            else:
                twice += found.total() - 1
        extra += (key[0] for key in stored)
    verdict.missing, verdict.extra, verdict.changed = map(_as_ranges, (missing, extra, changed))
    verdict.note = f"{twice} rows are stored twice" if twice else ""
    if missing:
        verdict.comparison = Comparison.STORED_HAS_LESS
    elif changed:
        verdict.comparison = Comparison.DIFFERS
    elif extra or twice:
        verdict.comparison = Comparison.STORED_HAS_MORE


def _windows(pieces: Iterable[TradeColumns]) -> Iterator[tuple[int, int, TradeColumns | None]]:
    """Windows of ids, without a hole between them, and the trades in each: those under one id are never apart."""
    start = 0
    held: TradeColumns | None = None
    for piece in pieces:
        joined = piece if held is None else _joined(held, piece)
        last = int(joined.aggregate_id[-1])
        at_the_end = joined.aggregate_id == last
        held, rest = selected(joined, at_the_end), selected(joined, ~at_the_end)
        if len(rest):
            yield start, last - 1, rest
            start = last
    yield start, NO_LIMIT, held


def _joined(one: TradeColumns, other: TradeColumns) -> TradeColumns:
    names = TradeColumns.__dataclass_fields__
    return TradeColumns(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})


def _hashed(piece: TradeColumns | None) -> Iterator[tuple[tuple[int, int], int]]:
    if piece is not None:
        keys = zip(piece.aggregate_id.tolist(), piece.first_trade_id.tolist(), strict=True)
        yield from zip(keys, row_hashes(piece).tolist(), strict=True)


def _as_ranges(ids: Iterable[int]) -> list[Range]:
    return united((each, each) for each in ids)
