"""Storing what is missing, and only that: what is already there is never touched, deleted or stored again."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from collectors.backoff import Backoff, Waiting
from collectors.batch import selected
from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable, TradeColumns
from dataprovider.clickhouse.shards import shard_of
from integrity.recovery.planner import Range

#: How long one insert is tried again while ClickHouse does not answer (seconds).
PATIENCE = 60.0


class Stopped(Exception):
    """The run was told to end."""


class Unsettled(Exception):
    """ClickHouse did not say what became of an insert: the claim has to be revoked before anybody looks again."""


class Filler:
    """Fills holes of one symbol under one claim. Rows are looked up and stored under the shard's epoch of that moment:

    an owner of the shard that came in between, with trades of its spool, makes the insert fail (StaleEpoch).
    """

    def __init__(
        self,
        store: ClickHouse,
        symbol: str,
        claim: int,
        give_up: Callable[[], bool],
        waiting: Waiting | None = None,
    ) -> None:
        self._store = store
        self._waiting = waiting or Waiting()
        self._symbol = symbol
        self._shard = shard_of(symbol)
        self._claim = claim
        self._give_up = give_up
        self._parts = itertools.count(1)

    def missing(self, first_id: int, last_id: int) -> list[Range]:
        """The ids of first_id..last_id that are not stored, as ranges, ascending."""
        rows = self._store.query("missing_ranges", symbol=self._symbol, first_id=first_id, last_id=last_id)
        return [(int(first), int(last)) for first, last in rows]

    def fill(self, trades: TradeColumns, bounds: Sequence[Range] | None = None) -> int:
        """Store those of `trades` that are not there, at most those with an id in `bounds`; how many that were.

        `trades`: of this symbol, ascending by aggregate id, none twice. Two different trades under one aggregate id
        are both kept. Raises Stopped, Unsettled, StaleEpoch, StaleClaim and what the client raises.
        """
        if not len(trades):
            return 0
        epoch = self._store.epoch_of(self._shard)
        ids = trades.aggregate_id.astype(np.int64)
        holes = self.missing(int(ids[0]), int(ids[-1]))
        keep = inside(ids, holes)
        again = np.zeros(len(ids), dtype=np.bool_)
        again[1:] = ids[1:] == ids[:-1]
        for twin in np.unique(ids[again]):
            if not inside(np.array([twin]), holes)[0]:
                rows = self._store.query("stored_ids", symbol=self._symbol, first_id=int(twin), last_id=int(twin))
                stored = {int(first_trade_id) for _, first_trade_id in rows}
                for row in np.flatnonzero(ids == twin):
                    keep[row] = int(trades.first_trade_id[row]) not in stored
        if bounds is not None:
            keep &= inside(ids, bounds)
        wanted = selected(trades, keep)
        self._insert(wanted, epoch)
        return len(wanted)

    def _insert(self, trades: TradeColumns, epoch: int) -> None:
        part = next(self._parts)
        token = f"repair:{self._claim}:{part}"
        backoff = Backoff(first=0.2, most=2.0, source=self._waiting.source)
        deadline = self._waiting.steady() + PATIENCE
        tried = False
        while True:
            if self._give_up():
                if tried:
                    raise Unsettled
                raise Stopped
            try:
                tried = True
                self._store.insert_repair(
                    trades, token=token, shard=self._shard, epoch=epoch, claim=self._claim, part=part
                )
            except ClickHouseUnavailable as error:
                if self._waiting.steady() > deadline:
                    raise Unsettled(str(error)) from error
                self._waiting.sleep(backoff.next_delay())
            else:
                return


def inside(ids: npt.NDArray[np.int64], ranges: Sequence[Range]) -> npt.NDArray[np.bool_]:
    """Which of `ids` lie in one of `ranges` (ascending, apart)."""
    if not ranges:
        return np.zeros(len(ids), dtype=np.bool_)
    firsts = np.array([first for first, _ in ranges], dtype=np.int64)
    lasts = np.array([last for _, last in ranges], dtype=np.int64)
    place = np.searchsorted(firsts, ids, "right") - 1
    found: npt.NDArray[np.bool_] = (place >= 0) & (ids <= lasts[np.maximum(place, 0)])
    return found
