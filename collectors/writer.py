"""Writing batches to ClickHouse: in order, each until it is acknowledged, with bounded memory and a spool behind it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from collectors.backoff import Backoff
from collectors.batch import Batch
from collectors.spool import Spool, SpoolCorrupt, SpoolFull
from dataprovider.clickhouse import ClickHouseError, ClickHouseUnavailable, StaleEpoch, TradeColumns

logger = logging.getLogger(__name__)

#: While ClickHouse has been away for longer than this, batches wait on disk rather than in memory.
SPILL_AFTER_SECONDS = 2.0
#: A batch that ClickHouse refuses (not: cannot take now) is tried this often before it is set aside as a gap.
REFUSALS_BEFORE_GAP = 5


class Store(Protocol):
    """What the writer needs of ClickHouse (`dataprovider.clickhouse.ClickHouse`)."""

    def insert_trades(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, query_id: str) -> None: ...


@dataclass(eq=False)
class _Waiting:
    shard: int
    rows: int
    epoch: int
    batch: Batch | None
    path: Path | None
    since: float
    refusals: int = 0
    #: Whether it was sent and no answer said what became of it.
    unsettled: bool = False


class Writer:
    """A queue of batches and the thread that empties it, head first. `submit` never blocks on ClickHouse."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        clock: Callable[[], float],
        *,
        max_rows: int,
        lost: Callable[[Batch, str, str], None],
        stale: Callable[[int, int], None],
        backoff: Backoff | None = None,
    ) -> None:
        """`max_rows` bounds the rows in memory. `lost(batch, cause, reason)`: it cannot be stored, open gaps for it
        (cause is a GapCause). `stale(shard, epoch)`: somebody else owns the shard now. Both come from any thread."""
        self._store = store
        self._spool = spool
        self._clock = clock
        self._max_rows = max_rows
        self._lost = lost
        self._stale = stale
        self._queue: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._stopping = False
        self._away_since: float | None = None
        self._backoff = backoff or Backoff(first=0.1, most=2.0)
        self.rows_in_memory = 0
        self.stored = 0
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    @property
    def spooled_batches(self) -> int:
        """How many batches wait on disk."""
        with self._changed:
            return sum(1 for waiting in self._queue if waiting.path is not None)

    @property
    def oldest_since(self) -> float | None:
        """When the oldest trade that waits here was received (seconds of the clock); None: nothing waits."""
        with self._changed:
            return min((waiting.since for waiting in self._queue), default=None)

    @property
    def away(self) -> bool:
        """Whether ClickHouse did not take the last batch."""
        return self._away_since is not None

    def submit(self, batch: Batch) -> None:
        """Take over a batch."""
        away_since = self._away_since
        away_long = away_since is not None and self._clock() - away_since > SPILL_AFTER_SECONDS
        waiting = _Waiting(batch.shard, len(batch), batch.epoch, batch, None, batch.since)
        if away_long or self.rows_in_memory + len(batch) > self._max_rows:
            try:
                waiting.path, waiting.batch = self._spool.save(batch), None
            except SpoolFull as full:
                if self.rows_in_memory + len(batch) > self._max_rows:
                    self._lost(batch, "spool_full", str(full))
                    return
        with self._changed:
            if waiting.batch is not None:
                self.rows_in_memory += waiting.rows
            self._queue.append(waiting)
            self._changed.notify_all()

    def pending(self, shard: int) -> bool:
        """Whether batches of this shard are still waiting."""
        with self._changed:
            return any(waiting.shard == shard for waiting in self._queue)

    def drain(self, seconds: float) -> bool:
        """Wait until everything is stored, at most `seconds`; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue, timeout=seconds)

    def stop(self, seconds: float = 5.0) -> bool:
        """End the thread; what is still waiting goes to the spool. Whether every trade is stored or on disk."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        kept = True
        with self._changed:
            for waiting in self._queue:
                batch = waiting.batch
                if batch is None:
                    continue
                try:
                    waiting.path, waiting.batch = self._spool.save(batch), None
                except SpoolFull as full:
                    kept = False
                    if waiting.unsettled:
                        # It may still be stored, beside what recovery would store: the shard's next owner ends that
                        # first, and then finds what is missing.
                        logger.error("The batch %s may be lost: %s.", batch.token, full)
                    else:
                        self._lost(batch, "spool_full", str(full))
        return kept

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._stopping)
                if self._stopping:
                    return
            pause = self.attempt()
            if pause:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, timeout=pause)

    def attempt(self) -> float:
        """Try the batch that waits longest once, if there is one; how long to pause before the next try (seconds).

        For the writer's own thread, or for whoever drives it without `start`.
        """
        with self._changed:
            waiting = self._queue[0] if self._queue else None
        if waiting is None:
            return 0.0
        if self._write(waiting):
            self._backoff.reset()
            self._away_since = None
            return 0.0
        if self._away_since is None:
            self._away_since = self._clock()
        return self._backoff.next_delay()

    def _batch(self, waiting: _Waiting) -> Batch:
        if waiting.batch is not None:
            return waiting.batch
        assert waiting.path is not None
        return self._spool.load(waiting.path)

    def _write(self, waiting: _Waiting) -> bool:
        """Try the head of the queue once; whether the queue can go on."""
        try:
            batch = self._batch(waiting)
        except SpoolCorrupt as error:
            assert waiting.path is not None
            logger.error("%s; it is set aside, the next start finds what is missing.", error)
            self._spool.set_aside(waiting.path)
            self._pop(waiting, stored=False)
            return True
        waiting.unsettled = True
        try:
            self._store.insert_trades(
                batch.columns, token=batch.token, shard=batch.shard, epoch=batch.epoch, query_id=batch.token
            )
        except StaleEpoch:
            self._forget(batch.shard, batch.epoch)
            self._stale(batch.shard, batch.epoch)
        except ClickHouseUnavailable as error:
            if self._away_since is None:
                logger.warning("%s The batch %s waits.", error, batch.token)
            return False
        except ClickHouseError as error:
            waiting.refusals += 1
            waiting.unsettled = False
            if waiting.refusals < REFUSALS_BEFORE_GAP:
                logger.warning("%s The batch %s is tried again.", error, batch.token)
                return False
            logger.error("%s The batch %s is given up and becomes a gap.", error, batch.token)
            self._lost(batch, "refused", str(error))
            self._pop(waiting, stored=False)
        else:
            self._pop(waiting, stored=True)
        return True

    def _pop(self, waiting: _Waiting, *, stored: bool) -> None:
        with self._changed:
            self._queue.remove(waiting)
            if waiting.batch is not None:
                self.rows_in_memory -= waiting.rows
            if stored:
                self.stored += waiting.rows
            self._changed.notify_all()
        if waiting.path is not None:
            self._spool.remove(waiting.path)

    def _forget(self, shard: int, epoch: int) -> None:
        """Drop what was accepted under an epoch that is over: the new owner fetches it as a gap."""
        with self._changed:
            gone = [waiting for waiting in self._queue if waiting.shard == shard and waiting.epoch <= epoch]
        for waiting in gone:
            self._pop(waiting, stored=False)
