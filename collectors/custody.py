"""What a worker has taken in and must not lose: trades on their way to the table, and what is to be told of them.

It puts the parts together that decide (ingest, writer, keeper of shards) and knows when each is due; sockets, threads
and pipes are the worker's.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field

from collectors.backoff import Backoff
from collectors.batch import Batch
from collectors.boundarycheck import SILENT_SECONDS, Answers, Questions
from collectors.continuity import Hole
from collectors.ingest import FLUSH_SECONDS, Ingest
from collectors.messages import BoundaryFound, GapFound, Report
from collectors.shardkeeper import ShardKeeper
from collectors.spool import Spool
from collectors.trade import Trade
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse

#: While ClickHouse lags, batches may grow older and larger: fewer, cheaper inserts.
MOST_FLUSH_SECONDS = 3.0
LAGGING_ROWS = 100_000


@dataclass(frozen=True, slots=True)
class Means:
    """How waiting is done; what is left out is the real thing. `wall`: seconds since 1970."""

    steady: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    opener: Executor | None = None
    writing: Backoff | None = None
    opening: Backoff | None = None


@dataclass(slots=True)
class Findings:
    """What was found and not yet told; any thread may add."""

    gaps: queue.SimpleQueue[GapFound] = field(default_factory=queue.SimpleQueue)
    boundaries: queue.SimpleQueue[BoundaryFound] = field(default_factory=queue.SimpleQueue)
    gaps_found: int = 0

    def found(self, gap: GapFound) -> None:
        """Ids are missing."""
        self.gaps_found += 1
        self.gaps.put(gap)


class Custody:
    """The trades of one worker between its streams and the table. One thread calls it, but for `report`."""

    def __init__(self, store: ClickHouse, spool: Spool, means: Means, *, max_rows: int) -> None:
        """`max_rows` bounds the rows in memory."""
        self._means = means
        self.findings = Findings()
        self._held: list[GapFound] = []
        self.ingest = Ingest()
        self.writer = Writer(
            store,
            spool,
            means.steady,
            max_rows=max_rows,
            lost=self._lost,
            stale=lambda shard, epoch: self.keeper.is_stale(shard, epoch),
            backoff=means.writing,
            lanes=len(store.nodes),
            lane_of=store.number_of,
        )
        self.keeper = ShardKeeper(
            store,
            spool,
            self.ingest,
            self.writer,
            self.findings.found,
            opener=means.opener,
            backoff=means.opening,
        )

    def seal(self, now: float) -> None:
        """Hand over the batches that are due."""
        max_age = MOST_FLUSH_SECONDS if self.writer.rows_in_memory > LAGGING_ROWS else FLUSH_SECONDS
        for batch in self.ingest.seal_due(now, max_age=max_age):
            self.writer.submit(batch)

    def note(self, now: float) -> list[Trade]:
        """Once a second: take down which holes became gaps, and the verdicts; the trades whose id was absurd."""
        self._note_holes(self.ingest.due_holes(now))
        self._note_boundaries()
        self._note_held()
        return self.ingest.take_rejected()

    def questions(self, now: float) -> Questions:
        """What the exchange is to be asked: of symbols that are silent since an interruption, or since their first
        trade, and of those whose first trade may have gone by unseen."""
        active, since = self.keeper.active, now - SILENT_SECONDS
        starts = self.ingest.awaiting_start(active, since)
        return Questions(
            self.ingest.awaiting_verdict(active, since),
            self.ingest.awaiting_proof(active, since),
            {symbol: now - unseen_since for symbol, unseen_since in starts.items()},
        )

    def learn(self, answers: Answers, now: float) -> None:
        """What the exchange answered."""
        self.ingest.learn(answers.newest_ids, now)
        self.ingest.learn_firsts(answers.firsts, now)
        self.ingest.learn_starts(answers.starts, now)

    def report(self) -> Report:
        """What the supervisor is to hear now. Called from one thread, any."""
        gaps, boundaries = [], []
        while not self.findings.gaps.empty():
            gaps.append(self.findings.gaps.get())
        while not self.findings.boundaries.empty():
            boundaries.append(self.findings.boundaries.get())
        return Report(self.keeper.held(), dict(self.keeper.low_epochs), gaps, boundaries, self._held)

    def hand_over(self, now: float, drain: Callable[[], object]) -> bool:
        """Store what is left (`drain` waits for it for a while), then put it on disk; whether nothing is lost."""
        for batch in self.ingest.seal_due(now, max_age=0.0):
            self.writer.submit(batch)
        drain()
        kept = self.writer.stop(1.0)
        self._note_holes(self.ingest.due_holes(now, grace=0.0, patience=0.0))
        self._note_boundaries()
        self._note_held()
        return kept

    def _note_holes(self, holes: list[tuple[str, Hole]]) -> None:
        for symbol, hole in holes:
            self.findings.found(GapFound.of(symbol, hole, self.ingest.epoch_of(symbol)))

    def _note_held(self) -> None:
        self._held = [
            GapFound.of(symbol, hole, self.ingest.epoch_of(symbol)) for symbol, hole in self.ingest.held_back()
        ]

    def _note_boundaries(self) -> None:
        now_ms = int(self._means.wall() * 1000)
        for symbol, epoch, each in self.ingest.take_boundaries():
            self.findings.boundaries.put(
                BoundaryFound(
                    symbol, each.cause.value, each.last_before, each.first_after, each.verdict.value, now_ms, epoch
                )
            )

    def _lost(self, batch: Batch, cause: str, reason: str) -> None:
        for ids in batch.id_ranges():
            self.findings.found(
                GapFound(
                    ids.symbol,
                    ids.first_id,
                    ids.last_id,
                    cause,
                    ids.first_ms,
                    ids.last_ms,
                    {"reason": reason},
                    batch.epoch,
                )
            )
