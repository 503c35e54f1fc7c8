"""Taking over a shard: fence off the previous owner, store what it left on disk, read where each symbol stands."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from collectors.batch import Batch, selected
from collectors.spool import Spool, SpoolCorrupt
from dataprovider.clickhouse import ClickHouse, TradeColumns

logger = logging.getLogger(__name__)

#: How many of a symbol's newest days are looked through for holes that no gap speaks of.
DAYS_CHECKED = 2


class EpochTooLow(Exception):
    """ClickHouse knows a higher epoch for the shard than Postgres does; `current` is that one."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the shard is at epoch {current} already")
        self.current = current


@dataclass(slots=True)
class Opening:
    """Where symbols stand: the highest stored id of each (None: nothing stored).

    `suspects`: (symbol, first id, last id) of ranges whose count shows that something in them is missing or twice.
    `had_owner`: whether somebody collected these symbols before.
    """

    frontiers: dict[str, int | None]
    suspects: list[tuple[str, int, int]] = field(default_factory=list)
    had_owner: bool = False


def open_shard(store: ClickHouse, spool: Spool, shard: int, epoch: int, symbols: Iterable[str]) -> Opening:
    """Make this process the only writer of `shard` under `epoch`, then read where its symbols stand.

    Raises EpochTooLow, or a ClickHouseError: then nothing may be collected yet. An error while reading is never taken
    for "nothing stored".
    """
    current = store.epoch_of(shard)
    if current >= epoch:
        raise EpochTooLow(current)
    store.raise_epoch(shard, epoch)
    store.kill_inserts(shard, epoch)
    _replay_spool(store, spool, shard, epoch)
    opening = read_frontiers(store, symbols)
    opening.had_owner = current > 0
    return opening


def read_frontiers(store: ClickHouse, symbols: Iterable[str]) -> Opening:
    """The highest stored id of each symbol, and whether its newest days are whole, both from a projection."""
    wanted = sorted(symbols)
    opening = Opening(dict.fromkeys(wanted))
    days: dict[str, list[tuple[int, int, int, int]]] = {}
    for symbol, _, rows, smallest, largest, total in store.query("frontier", symbols=wanted, days=DAYS_CHECKED):
        days.setdefault(symbol, []).append((rows, smallest, largest, total))
    for symbol, found in days.items():
        smallest, largest = min(day[1] for day in found), max(day[2] for day in found)
        opening.frontiers[symbol] = largest
        rows, total = sum(day[0] for day in found), sum(day[3] for day in found)
        # For n distinct ids without a hole both hold; a gap and a duplicate together can only fool the first.
        whole = rows == largest - smallest + 1 and total % 2**64 == rows * (smallest + largest) // 2 % 2**64
        if not whole:
            opening.suspects.append((symbol, smallest, largest))
    return opening


def find_missing(store: ClickHouse, suspects: Iterable[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """(symbol, first id, last id) of what is missing in these ranges. Reads rows: collecting does not wait for it."""
    return [
        (symbol, first, last)
        for symbol, smallest, largest in suspects
        for first, last in store.query("missing_ranges", symbol=symbol, first_id=smallest, last_id=largest)
    ]


def _replay_spool(store: ClickHouse, spool: Spool, shard: int, epoch: int) -> None:
    paths = spool.files(shard)
    if not paths:
        return
    logger.info("Shard %d: %d batches of an earlier run are on disk, storing them.", shard, len(paths))
    frontiers: dict[str, int] = {}
    for path in paths:
        try:
            batch = spool.load(path)
        except SpoolCorrupt as error:
            logger.error("%s; it is set aside, what is missing becomes a gap.", error)
            spool.set_aside(path)
            continue
        columns, token = _not_stored(store, batch, frontiers, epoch)
        if len(columns):
            query_id = f"{shard}:{epoch}:{batch.epoch}{batch.sequence:09}"
            store.insert_trades(columns, token=token, shard=shard, epoch=epoch, query_id=query_id)
        spool.remove(path)


def _not_stored(store: ClickHouse, batch: Batch, frontiers: dict[str, int], epoch: int) -> tuple[TradeColumns, str]:
    """The rows of a spooled batch that are not in the table, and the token to insert them under.

    Batches of a shard are stored in order, so rows above a symbol's frontier are certainly not stored; the token keeps
    a lost answer harmless. A row at or below it may be: the table is asked, since tokens are remembered only so long.
    """
    symbols = sorted(set(batch.columns.symbol.tolist()))
    unknown = [symbol for symbol in symbols if symbol not in frontiers]
    if unknown:
        known = {row[0]: row[4] for row in store.query("frontier", symbols=unknown, days=1)}
        frontiers.update({symbol: known.get(symbol, -1) for symbol in unknown})
    keep = np.ones(len(batch), dtype=bool)
    ids = batch.columns.aggregate_id
    for symbol in symbols:
        rows = np.flatnonzero(batch.columns.symbol == symbol)
        if int(ids[rows].min()) <= frontiers[symbol]:
            bounds = {"first_id": int(ids[rows].min()), "last_id": int(ids[rows].max())}
            stored = set(store.query("stored_ids", symbol=symbol, **bounds))
            first_trades = batch.columns.first_trade_id
            for row in rows:
                keep[row] = (int(ids[row]), int(first_trades[row])) not in stored
        frontiers[symbol] = max(frontiers[symbol], int(ids[rows].max()))
    if keep.all():
        return batch.columns, batch.token
    return selected(batch.columns, keep), f"{batch.token}:{epoch}"
