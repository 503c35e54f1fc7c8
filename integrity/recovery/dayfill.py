"""Bringing one archived day into the table: only the minutes that differ are looked at, only missing trades stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from collectors.batch import selected
from collectors.binance.archivefile import ArchiveDay
from dataprovider.clickhouse import ClickHouse, TradeColumns
from integrity.recovery.fill import Filler
from integrity.recovery.planner import DAY_MS, Range, start_of

PIECE = 200_000
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class DayFilled:
    """What became of a day. `agrees`: the table now has exactly the archive's trades of that day, by fingerprint;

    `same_ids`: it has as many, so that where `agrees` is false the content of some differs.
    """

    rows: int
    stored: int
    agrees: bool
    same_ids: bool


def fill_day(
    store: ClickHouse,
    filler: Filler,
    day: ArchiveDay,
    *,
    bounds: Sequence[Range] | None = None,
    before_ms: int | None = None,
    moved: Callable[[int, int], None] = lambda read, stored: None,
) -> DayFilled:
    """Store what the table lacks of `day`, then compare; `bounds` and `before_ms` limit what may be stored.

    `moved(read, stored)` is told of trades as they are gone through. Raises as Filler.fill does.
    """
    fingerprint = day.fingerprint()
    rows, stored_fingerprint = _stored(store, day)
    if (rows, stored_fingerprint) == (day.rows, fingerprint):
        moved(day.rows, 0)
        return DayFilled(day.rows, 0, agrees=True, same_ids=True)
    differing = _differing_minutes(store, day) if rows else None
    stored = 0
    for piece in _twins_together(day.pieces(PIECE)):
        keep = np.ones(len(piece), dtype=np.bool_)
        if differing is not None:
            keep = np.isin(piece.timestamp // MINUTE_MS, differing)
        if before_ms is not None:
            keep &= piece.timestamp < before_ms
        added = filler.fill(selected(piece, keep), bounds)
        stored += added
        moved(len(piece), added)
    rows, stored_fingerprint = _stored(store, day)
    agrees = (rows, stored_fingerprint) == (day.rows, fingerprint)
    return DayFilled(day.rows, stored, agrees=agrees, same_ids=rows == day.rows)


def _stored(store: ClickHouse, day: ArchiveDay) -> tuple[int, int]:
    since = start_of(day.day) // 1000
    rows = store.query("symbol_days", symbol=day.symbol, since=since, until=since + DAY_MS // 1000)
    return (int(rows[0][1]), int(rows[0][5])) if rows else (0, 0)


def _differing_minutes(store: ClickHouse, day: ArchiveDay) -> npt.NDArray[np.int64]:
    """The minutes (counted from 1970) in which the archive has ids that the table may lack."""
    since = start_of(day.day) // 1000
    rows = store.query("symbol_minutes", symbol=day.symbol, since=since, until=since + DAY_MS // 1000)
    stored = {int(row[0]): tuple(int(value) for value in row[1:]) for row in rows}
    return np.array(
        [
            int(minute["minute"]) // 60
            for minute in day.minutes()
            if stored.get(int(minute["minute"]))
            != (int(minute["rows"]), int(minute["first_id"]), int(minute["last_id"]), int(minute["sum_of_ids"]))
        ],
        dtype=np.int64,
    )


def _twins_together(pieces: Iterator[TradeColumns]) -> Iterator[TradeColumns]:
    """The same pieces, cut so that trades under one aggregate id are never apart."""
    held: TradeColumns | None = None
    for piece in pieces:
        joined = piece if held is None else _joined(held, piece)
        last = joined.aggregate_id == joined.aggregate_id[-1]
        held = selected(joined, last)
        rest = selected(joined, ~last)
        if len(rest):
            yield rest
    if held is not None:
        yield held


def _joined(one: TradeColumns, other: TradeColumns) -> TradeColumns:
    return TradeColumns(
        **{
            name: np.concatenate([getattr(one, name), getattr(other, name)])
            for name in TradeColumns.__dataclass_fields__
        }
    )
