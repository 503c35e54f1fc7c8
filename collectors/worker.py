"""A worker process: owns whole shards, reads their streams, and is the only one that writes them.

One thread reads, judges and batches; others connect, write to ClickHouse, publish to Valkey and report. The worker
knows neither Postgres nor Django: what it finds goes to the supervisor over the pipe.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collectors.backoff import Backoff
from collectors.batch import Batch
from collectors.binance.frames import decode
from collectors.binance.stream import StreamConnection
from collectors.continuity import Cause
from collectors.deadletter import DeadLetters
from dataprovider.heartbeat import WorkerStatus
from collectors.ingest import FLUSH_SECONDS, Ingest
from collectors.messages import Assignment, GapFound, Report, ShardAssignment, Stop, WorkerSettings
from collectors.opening import EpochTooLow, Opening, open_shard, read_frontiers
from collectors.publisher import PUBLISH_INTERVAL, Publisher
from collectors.quiet import QuietWatch
from collectors.spool import Spool
from collectors.streampool import Line, StreamPool
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse, ClickHouseError

logger = logging.getLogger(__name__)

#: How long one round waits for data (seconds): also the resolution of everything that happens by the clock.
ROUND = 0.02
REPORT_INTERVAL = 0.5
#: A minute is closed this long after its end by the exchange's clock: events arrive 2–160 ms after their time.
MINUTE_GRACE_MS = 2_000
#: Of the ten seconds a stop may take, how many are for storing what was received.
DRAIN_SECONDS = 6.5
#: While ClickHouse lags, batches may grow older and larger: fewer, cheaper inserts.
MOST_FLUSH_SECONDS = 3.0


class Worker:
    """The parts of a worker and the rounds that drive them."""

    def __init__(self, settings: WorkerSettings, link: Connection) -> None:
        self._settings = settings
        self._link = link
        self._clock: Callable[[], float] = time.monotonic
        self._store = ClickHouse(settings.store, pool_size=3)
        self._redis = Redis.from_url(
            settings.redis_url, socket_timeout=2.0, socket_connect_timeout=2.0, retry=Retry(NoBackoff(), 0)
        )
        self._spool = Spool(settings.home / "spool", settings.spool_max_bytes)
        self._gaps: queue.SimpleQueue[GapFound] = queue.SimpleQueue()
        self._stale: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()
        self._writer = Writer(
            self._store,
            self._spool,
            self._clock,
            max_rows=settings.buffer_max_rows,
            lost=self._lost,
            stale=lambda shard, epoch: self._stale.put((shard, epoch)),
        )
        self._ingest = Ingest()
        self._dead = DeadLetters(settings.home / "dead_letters", f"worker{settings.worker}", time.time)
        self._pool = StreamPool(
            lambda: StreamConnection(settings.stream_url),
            self._clock,
            lambda symbols: self._ingest.interrupted(symbols, Cause.RECONNECT),
            symbols_per_connection=settings.symbols_per_connection,
            connect_interval=settings.connect_interval,
        )
        self._quiet = QuietWatch()
        self._publisher = Publisher(self._redis, self.status)
        self._opener = ThreadPoolExecutor(max_workers=1, thread_name_prefix="opener")
        self._assigned: dict[int, ShardAssignment] = {}
        self._opening: dict[int, tuple[int, Future[Opening]]] = {}
        self._extending: tuple[frozenset[str], Future[Opening]] | None = None
        self._retry_opening_at = 0.0
        self._opening_backoff = Backoff(first=0.5, most=5.0)
        self._low_epochs: dict[int, int] = {}
        self._active: set[str] = set()
        self._stopping = threading.Event()
        self._drained = threading.Event()
        self._gaps_found = 0
        self._lag_ms = 0.0
        self._exchange_ms, self._exchange_at = 0, 0.0
        self._rate, self._rate_from = 0.0, (self._clock(), 0)
        self._next_publish = self._next_second = 0.0

    def stop(self) -> None:
        """Drain and end soon; for signal handlers."""
        self._stopping.set()

    def run(self) -> bool:
        """Work until told to stop; whether every trade received is stored or on disk."""
        self._writer.start()
        self._publisher.start()
        reporter = threading.Thread(target=self._report, name="reporter", daemon=True)
        reporter.start()
        while not self._stopping.is_set():
            self._round()
        kept = self._drain()
        self._drained.set()
        reporter.join(2.0)
        return kept

    def status(self) -> WorkerStatus:
        """This worker as its heartbeat shows it."""
        ingest = self._ingest
        return WorkerStatus(
            owner=self._settings.owner,
            worker=self._settings.worker,
            pid=os.getpid(),
            shards=sorted(ingest.buffers),
            symbols=len(self._active),
            subscribed=self._pool.subscribed,
            connections=self._pool.connections,
            received=ingest.received,
            stored=self._writer.stored,
            duplicates=ingest.duplicates,
            dead_letters=self._dead.total,
            gaps=self._gaps_found,
            buffered_rows=ingest.buffered_rows + self._writer.rows_in_memory,
            spooled_batches=self._writer.spooled_batches,
            trades_per_s=round(self._rate, 1),
            lag_ms=round(self._lag_ms, 1),
            reconnects=self._pool.reconnects,
            quiet_symbols=self._quiet.count,
            boundaries=dict(ingest.boundaries),
            updated_ms=int(time.time() * 1000),
        )

    def _round(self) -> None:
        for line, payloads in self._pool.step(ROUND):
            self._take(line, payloads)
        now = self._clock()
        max_age = MOST_FLUSH_SECONDS if self._writer.rows_in_memory > 100_000 else FLUSH_SECONDS
        for batch in self._ingest.seal_due(now, max_age=max_age):
            self._writer.submit(batch)
        if now >= self._next_publish:
            self._next_publish = now + PUBLISH_INTERVAL
            self._publisher.offer(self._ingest.take_changed_bars())
        if now >= self._next_second:
            self._next_second = now + 1.0
            self._every_second(now)
        self._take_orders()
        self._open_and_close(now)

    def _take(self, line: Line, payloads: list[bytes]) -> None:
        decoded = decode(payloads, self._ingest.symbols)
        for answer in decoded.answers:
            self._pool.answered(line, answer)
        for reason, payload in decoded.rejected:
            self._dead.add(reason, payload)
        if decoded.trades:
            self._pool.alive(line)
            now = self._clock()
            self._ingest.add(decoded.trades, now)
            event_time = decoded.trades[-1].event_time
            if event_time > self._exchange_ms:
                self._exchange_ms, self._exchange_at = event_time, now
            lag = time.time() * 1000 - event_time
            # A replayed day is years behind, by intention: that is not a lag.
            if abs(lag) < 86_400_000:
                self._lag_ms += (lag - self._lag_ms) * 0.1

    def _every_second(self, now: float) -> None:
        for symbol, hole in self._ingest.due_holes(now):
            gap = GapFound(symbol, hole.first_id, hole.last_id, hole.cause.value, hole.before_ms, hole.after_ms)
            self._found(gap)
        for trade in self._ingest.take_rejected():
            self._dead.add("absurd jump of the aggregate id", repr(tuple(trade)).encode())
        if self._exchange_ms:
            elapsed = int((now - self._exchange_at) * 1000)
            self._ingest.close_minutes(self._exchange_ms + elapsed - MINUTE_GRACE_MS)
        since, received = self._rate_from
        self._rate = (self._ingest.received - received) / max(now - since, 0.001)
        self._rate_from = (now, self._ingest.received)
        for symbol in self._active:
            tracked = self._ingest.symbols[symbol]
            if self._quiet.due(
                symbol,
                seen_at=tracked.seen_at,
                tracked_since=tracked.since,
                received=tracked.received,
                now=now,
            ):
                self._pool.resubscribe(symbol)

    def _take_orders(self) -> None:
        try:
            while self._link.poll():
                order = self._link.recv()
                if isinstance(order, Stop):
                    self._stopping.set()
                elif isinstance(order, Assignment):
                    self._assigned = order.shards
        except (EOFError, OSError):
            logger.error("The supervisor is gone: worker %d stops.", self._settings.worker)
            self._stopping.set()

    def _open_and_close(self, now: float) -> None:
        while not self._stale.empty():
            shard, epoch = self._stale.get()
            buffer = self._ingest.buffers.get(shard)
            if buffer is not None and buffer.epoch == epoch:
                logger.error("Shard %d has a new owner: worker %d lets it go.", shard, self._settings.worker)
                self._low_epochs[shard] = epoch
                self._ingest.close_shard(shard)
        self._finish_openings(now)
        for shard, buffer in list(self._ingest.buffers.items()):
            wanted = self._assigned.get(shard)
            if wanted is None or wanted.epoch != buffer.epoch:
                self._give_up(shard)
        if now >= self._retry_opening_at:
            for shard, wanted in self._assigned.items():
                known_too_low = self._low_epochs.get(shard, -1) >= wanted.epoch
                if shard not in self._ingest.buffers and shard not in self._opening and not known_too_low:
                    future = self._opener.submit(
                        open_shard, self._store, self._spool, shard, wanted.epoch, wanted.symbols
                    )
                    self._opening[shard] = (wanted.epoch, future)
            self._extend()
        self._choose_symbols()

    def _finish_openings(self, now: float) -> None:
        for shard, (epoch, future) in list(self._opening.items()):
            if not future.done():
                continue
            del self._opening[shard]
            try:
                opening = future.result()
            except EpochTooLow as error:
                self._low_epochs[shard] = error.current
                continue
            except ClickHouseError as error:
                self._opening_failed(error, now)
                continue
            self._opening_backoff.reset()
            self._ingest.open_shard(shard, epoch)
            self._track(opening, now)
        if self._extending is not None and self._extending[1].done():
            _, future = self._extending
            self._extending = None
            try:
                self._track(future.result(), now)
            except ClickHouseError as error:
                self._opening_failed(error, now)

    def _opening_failed(self, error: ClickHouseError, now: float) -> None:
        # The epoch may have been raised before the failure: only a higher one can tell the two attempts apart.
        if not self._opening_backoff.failures:
            logger.warning("%s Collection begins when it does.", error)
        self._retry_opening_at = now + self._opening_backoff.next_delay()

    def _track(self, opening: Opening, now: float) -> None:
        for symbol, frontier in opening.frontiers.items():
            shard = self._shard_of_assigned(symbol)
            if shard is not None and shard in self._ingest.buffers and symbol not in self._ingest.symbols:
                self._ingest.track(symbol, shard, frontier, now)
        for symbol, first_id, last_id in opening.missing:
            self._found(GapFound(symbol, first_id, last_id, "unclean_stop"))

    def _shard_of_assigned(self, symbol: str) -> int | None:
        return next((shard for shard, wanted in self._assigned.items() if symbol in wanted.symbols), None)

    def _extend(self) -> None:
        """Read where newly enabled symbols of open shards stand."""
        if self._extending is not None:
            return
        new = frozenset(
            symbol
            for shard, wanted in self._assigned.items()
            if shard in self._ingest.buffers
            for symbol in wanted.symbols
            if symbol not in self._ingest.symbols
        )
        if new:
            self._extending = (new, self._opener.submit(read_frontiers, self._store, new))

    def _choose_symbols(self) -> None:
        active = {
            symbol
            for shard, wanted in self._assigned.items()
            if shard in self._ingest.buffers and self._ingest.buffers[shard].epoch == wanted.epoch
            for symbol in wanted.symbols
            if symbol in self._ingest.symbols
        }
        if active != self._active:
            for symbol in self._active - active:
                self._quiet.forget(symbol)
            self._ingest.interrupted(active - self._active, Cause.RESTART)
            self._active = active
            self._pool.set_symbols(active)

    def _give_up(self, shard: int) -> None:
        """One step of letting a shard go: store what is left of it, then forget it."""
        buffer = self._ingest.buffers[shard]
        if buffer.rows:
            self._writer.submit(self._ingest.seal(buffer))
        if not self._writer.pending(shard):
            self._ingest.close_shard(shard)

    def _lost(self, batch: Batch, cause: str, reason: str) -> None:
        for ids in batch.id_ranges():
            self._found(
                GapFound(
                    ids.symbol,
                    ids.first_id,
                    ids.last_id,
                    cause,
                    ids.first_ms,
                    ids.last_ms,
                    {"reason": reason},
                )
            )

    def _found(self, gap: GapFound) -> None:
        self._gaps_found += 1
        self._gaps.put(gap)

    def _report(self) -> None:
        while True:
            last = self._drained.wait(REPORT_INTERVAL)
            gaps = []
            while not self._gaps.empty():
                gaps.append(self._gaps.get())
            held = {shard: buffer.epoch for shard, buffer in list(self._ingest.buffers.items())}
            try:
                self._link.send(Report(held, dict(self._low_epochs), gaps))
            except OSError:
                self._stopping.set()
                return
            if last:
                return

    def _drain(self) -> bool:
        self._pool.close()
        now = self._clock()
        for batch in self._ingest.seal_due(now, max_age=0.0):
            self._writer.submit(batch)
        self._writer.drain(DRAIN_SECONDS)
        kept = self._writer.stop(1.0)
        for symbol, hole in self._ingest.due_holes(now, grace=0.0):
            self._found(GapFound(symbol, hole.first_id, hole.last_id, hole.cause.value, hole.before_ms, hole.after_ms))
        self._publisher.offer(self._ingest.take_changed_bars())
        self._publisher.stop()
        self._store.close()
        return kept


def main(settings: WorkerSettings, link: Connection) -> None:
    """A worker process from birth to exit: exit status 0 when nothing that was received is lost."""
    logging.basicConfig(
        level=logging.DEBUG if settings.debug else logging.INFO,
        format=f"{{asctime}} {{levelname}} worker {settings.worker} {{name}}: {{message}}",
        style="{",
    )
    worker = Worker(settings, link)
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    # Ctrl-C reaches the whole group; the supervisor decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(0 if worker.run() else 1)
