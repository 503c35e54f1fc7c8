"""Which shards a worker owns: opening what it was assigned, letting go what it was not, following enabled symbols.

`step` is called by the worker's main thread; what has to ask ClickHouse runs in one thread of its own.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor

from collectors.backoff import Backoff
from collectors.continuity import Cause
from collectors.ingest import Ingest
from collectors.messages import GapFound, ShardAssignment
from collectors.opening import EpochTooLow, Opening, find_missing, open_shard, read_frontiers
from collectors.spool import Spool
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse, ClickHouseError

logger = logging.getLogger(__name__)

#: A symbol, and the first and the last of its ids.
Range = tuple[str, int, int]


class ShardKeeper:
    """Brings what is owned in line with what is assigned."""

    def __init__(
        self,
        store: ClickHouse,
        spool: Spool,
        ingest: Ingest,
        writer: Writer,
        found: Callable[[GapFound], None],
        *,
        opener: Executor | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """`found` is told of ids that turn out to be missing below a symbol's frontier. `opener` runs one thing at a
        time."""
        self._store = store
        self._spool = spool
        self._ingest = ingest
        self._writer = writer
        self._found = found
        self._opener = opener or ThreadPoolExecutor(max_workers=1, thread_name_prefix="opener")
        self._assigned: dict[int, ShardAssignment] = {}
        self._opening: dict[int, tuple[int, Future[Opening]]] = {}
        self._extending: Future[Opening] | None = None
        self._extended = -1
        self._searching: list[tuple[list[Range], Future[list[Range]]]] = []
        self._stale: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._retry_at = 0.0
        self._backoff = backoff or Backoff(first=0.5, most=5.0)
        #: Shard -> the epoch ClickHouse is at, where the one assigned was not higher.
        self.low_epochs: dict[int, int] = {}
        #: The symbols to be streamed now.
        self.active: set[str] = set()

    def assign(self, shards: dict[int, ShardAssignment]) -> None:
        """Everything that is to be owned from now on."""
        self._assigned = shards

    def is_stale(self, shard: int, epoch: int) -> None:
        """ClickHouse refused this epoch: somebody else owns the shard. Called from any thread."""
        self._stale.put((shard, epoch))

    def held(self) -> dict[int, int]:
        """Shard -> epoch, for every shard this worker may still write."""
        return {shard: buffer.epoch for shard, buffer in list(self._ingest.buffers.items())}

    def unopened(self) -> list[int]:
        """The shards that it was assigned and may not write yet. Called from any thread."""
        return [shard for shard in list(self._assigned) if shard not in self._ingest.buffers]

    def step(self, now: float) -> bool:
        """Do what is due, without waiting; whether `active` changed."""
        self._let_stale_go()
        self._finish_opening(now)
        self._report_missing()
        for shard, epoch in self.held().items():
            wanted = self._assigned.get(shard)
            if wanted is None or wanted.epoch != epoch:
                self._let_go(shard, now)
        if now >= self._retry_at:
            self._begin_opening()
            self._extend()
        return self._choose_symbols(now)

    def stop(self) -> None:
        """Begin nothing more."""
        self._opener.shutdown(wait=False, cancel_futures=True)

    def _let_stale_go(self) -> None:
        while not self._stale.empty():
            shard, epoch = self._stale.get()
            if self.held().get(shard) == epoch:
                logger.error("Shard %d has a new owner: it is let go.", shard)
                self.low_epochs[shard] = epoch
                self._ingest.close_shard(shard)

    def _begin_opening(self) -> None:
        for shard, wanted in self._assigned.items():
            too_low = self.low_epochs.get(shard, -1) >= wanted.epoch
            if shard not in self._ingest.buffers and shard not in self._opening and not too_low:
                future = self._opener.submit(open_shard, self._store, self._spool, shard, wanted.epoch, wanted.symbols)
                self._opening[shard] = (wanted.epoch, future)

    def _finish_opening(self, now: float) -> None:
        for shard, (epoch, future) in list(self._opening.items()):
            if not future.done():
                continue
            del self._opening[shard]
            try:
                opening = future.result()
            except EpochTooLow as error:
                self.low_epochs[shard] = error.current
            except ClickHouseError as error:
                self._failed(error, now)
            else:
                self._backoff.reset()
                self._ingest.open_shard(shard, epoch)
                self._track(opening, now)
        if self._extending is not None and self._extending.done():
            future, self._extending = self._extending, None
            try:
                self._track(future.result(), now)
            except ClickHouseError as error:
                self._failed(error, now)

    def _failed(self, error: ClickHouseError, now: float) -> None:
        if not self._backoff.failures:
            logger.warning("%s Collection begins when it does.", error)
        self._retry_at = now + self._backoff.next_delay()

    def _extend(self) -> None:
        """Read where newly enabled symbols of an open shard stand, one shard after the other."""
        if self._extending is not None:
            return
        # First those behind the one that was asked for last: its node may be away.
        for shard in sorted(self._assigned, key=lambda shard: (shard <= self._extended, shard)):
            wanted = self._assigned[shard].symbols if shard in self._ingest.buffers else frozenset()
            new = {symbol for symbol in wanted if symbol not in self._ingest.symbols}
            if new:
                self._extended = shard
                self._extending = self._opener.submit(read_frontiers, self._store, new)
                return

    def _track(self, opening: Opening, now: float) -> None:
        owned = {symbol: shard for shard, wanted in self._assigned.items() for symbol in wanted.symbols}
        for symbol, frontier in opening.frontiers.items():
            shard = owned.get(symbol)
            if shard in self._ingest.buffers and symbol not in self._ingest.symbols:
                self._ingest.track(symbol, shard, frontier, now, had_owner=opening.had_owner)
        if opening.suspects:
            self._searching.append((opening.suspects, self._opener.submit(find_missing, self._store, opening.suspects)))

    def _report_missing(self) -> None:
        """Report what a search found; one that failed is begun again."""
        for search in [each for each in self._searching if each[1].done()]:
            self._searching.remove(search)
            suspects, future = search
            try:
                missing = future.result()
            except ClickHouseError:
                self._searching.append((suspects, self._opener.submit(find_missing, self._store, suspects)))
                continue
            for symbol, first_id, last_id in missing:
                # Who has the shard by now looks for itself.
                if symbol in self._ingest.symbols:
                    epoch = self._ingest.epoch_of(symbol)
                    self._found(GapFound(symbol, first_id, last_id, "unclean_stop", epoch=epoch))

    def _let_go(self, shard: int, now: float) -> None:
        """One step of letting a shard go: store what is left of it, then forget it."""
        buffer = self._ingest.buffers[shard]
        if buffer.rows:
            self._writer.submit(self._ingest.seal(buffer))
        if not self._writer.pending(shard):
            # Nothing in the table shows them to the next owner.
            for symbol, hole in self._ingest.unproved(shard, now):
                self._found(GapFound.of(symbol, hole, buffer.epoch))
            self._ingest.close_shard(shard)

    def _choose_symbols(self, now: float) -> bool:
        held = self.held()
        active = {
            symbol
            for shard, wanted in self._assigned.items()
            if held.get(shard) == wanted.epoch
            for symbol in wanted.symbols
            if symbol in self._ingest.symbols
        }
        if active == self.active:
            return False
        self._ingest.interrupted(active - self.active, Cause.RESTART, now)
        self.active = active
        return True
