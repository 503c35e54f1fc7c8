"""Writing batches to ClickHouse: in order, each until it is acknowledged, with bounded memory and a spool behind it."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
    lane: int
    refusals: int = 0
    #: Whether it was sent and no answer said what became of it.
    unsettled: bool = False


@dataclass(slots=True)
class _Lane:
    """The way to one ClickHouse node."""

    backoff: Backoff
    queue: deque[_Waiting] = field(default_factory=deque)
    #: Of these, in memory.
    rows: int = 0
    away_since: float | None = None
    thread: threading.Thread | None = field(default=None)


class Writer:
    """Queues of batches and the threads that empty them, head first. `submit` never blocks on ClickHouse.

    Each ClickHouse node has a lane, with a queue, a thread and an equal part of the memory: one that is away holds up
    only its shards.
    """

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
        lanes: int = 1,
        lane_of: Callable[[int], int] = lambda shard: 0,
    ) -> None:
        """`lane_of` says by which of `lanes` a shard goes; it may change only while nothing of the shard waits.

        `max_rows` bounds the rows in memory. `lost(batch, cause, reason)`: it cannot be stored, open gaps for it
        (cause is a GapCause). `stale(shard, epoch)`: somebody else owns the shard now. Both come from any thread."""
        self._store = store
        self._spool = spool
        self._clock = clock
        self._most_rows = max_rows // lanes
        self._lost = lost
        self._stale = stale
        self._changed = threading.Condition()
        self._stopping = False
        self._lane_of = lane_of
        self._lanes = [_Lane(backoff or Backoff(first=0.1, most=2.0)) for _ in range(lanes)]
        self.stored = 0

    def start(self) -> None:
        """Begin to write."""
        for number, lane in enumerate(self._lanes):
            lane.thread = threading.Thread(target=self._run, args=(number,), name=f"writer-{number}", daemon=True)
            lane.thread.start()

    @property
    def rows_in_memory(self) -> int:
        """How many trades wait in memory."""
        return sum(lane.rows for lane in self._lanes)

    @property
    def spooled_batches(self) -> int:
        """How many batches wait on disk."""
        with self._changed:
            return sum(1 for waiting in self._waiting() if waiting.path is not None)

    @property
    def oldest_since(self) -> float | None:
        """When the oldest trade that waits here was received (seconds of the clock); None: nothing waits."""
        with self._changed:
            return min((waiting.since for waiting in self._waiting()), default=None)

    @property
    def away(self) -> bool:
        """Whether ClickHouse, or one of its nodes, did not take the last batch."""
        return any(lane.away_since is not None for lane in self._lanes)

    def submit(self, batch: Batch) -> None:
        """Take over a batch."""
        number = self._lane_of(batch.shard)
        lane = self._lanes[number]
        away_long = lane.away_since is not None and self._clock() - lane.away_since > SPILL_AFTER_SECONDS
        waiting = _Waiting(batch.shard, len(batch), batch.epoch, batch, None, batch.since, number)
        if away_long:
            self._spill(lane)
        full = lane.rows + len(batch) > self._most_rows
        if away_long or full:
            try:
                waiting.path, waiting.batch = self._spool.save(batch), None
            except SpoolFull as error:
                if full:
                    self._lost(batch, "spool_full", str(error))
                    return
        with self._changed:
            if waiting.batch is not None:
                lane.rows += waiting.rows
            lane.queue.append(waiting)
            self._changed.notify_all()

    def pending(self, shard: int) -> bool:
        """Whether batches of this shard are still waiting."""
        with self._changed:
            return any(waiting.shard == shard for waiting in self._waiting())

    def drain(self, seconds: float) -> bool:
        """Wait until everything is stored, at most `seconds`; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(self._waiting()), timeout=seconds)

    def stop(self, seconds: float = 5.0) -> bool:
        """End the thread; what is still waiting goes to the spool. Whether every trade is stored or on disk."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        for lane in self._lanes:
            if lane.thread is not None:
                lane.thread.join(seconds)
        kept = True
        with self._changed:
            for waiting in self._waiting():
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

    def _run(self, lane: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._lanes[lane].queue) or self._stopping)
                if self._stopping:
                    return
            pause = self.attempt(lane)
            if pause:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, timeout=pause)

    def attempt(self, lane: int = 0) -> float:
        """Try the batch of a lane that waits longest once, if there is one; how long to pause before the next try (s).

        For the writer's own threads, or for whoever drives it without `start`.
        """
        way = self._lanes[lane]
        with self._changed:
            waiting = way.queue[0] if way.queue else None
        if waiting is None:
            return 0.0
        if self._write(waiting):
            way.backoff.reset()
            way.away_since = None
            return 0.0
        if way.away_since is None:
            way.away_since = self._clock()
        return way.backoff.next_delay()

    def _waiting(self) -> Iterator[_Waiting]:
        return itertools.chain.from_iterable(lane.queue for lane in self._lanes)

    def _spill(self, lane: _Lane) -> None:
        """Put on disk what waits in memory: were this process killed, no later id would show what a contract began
        with and is stored from its second batch on."""
        with self._changed:
            in_memory = [(waiting, waiting.batch) for waiting in lane.queue if waiting.batch is not None]
        for waiting, batch in in_memory:
            try:
                path = self._spool.save(batch)
            except SpoolFull:
                return
            with self._changed:
                if waiting in lane.queue:
                    waiting.path, waiting.batch = path, None
                    lane.rows -= waiting.rows
                    continue
            # It was stored in this moment.
            self._spool.remove(path)

    def _batch(self, waiting: _Waiting) -> Batch:
        batch = waiting.batch
        if batch is not None:
            return batch
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
            if self._lanes[waiting.lane].away_since is None:
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
            lane = self._lanes[waiting.lane]
            lane.queue.remove(waiting)
            if waiting.batch is not None:
                lane.rows -= waiting.rows
            if stored:
                self.stored += waiting.rows
            self._changed.notify_all()
        if waiting.path is not None:
            self._spool.remove(waiting.path)

    def _forget(self, shard: int, epoch: int) -> None:
        """Drop what was accepted under an epoch that is over: the new owner fetches it as a gap."""
        with self._changed:
            gone = [waiting for waiting in self._waiting() if waiting.shard == shard and waiting.epoch <= epoch]
        for waiting in gone:
            self._pop(waiting, stored=False)
