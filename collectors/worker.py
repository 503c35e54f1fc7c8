"""A worker process: owns whole shards, reads their streams, and is the only one that writes them.

One thread reads, judges and batches; others connect, write to ClickHouse, publish to Valkey and report. The worker
knows neither Postgres nor Django: what it finds goes to the supervisor over the pipe.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import inf
from multiprocessing.connection import Connection

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from collectors.binance.frames import decode
from collectors.binance.rest import Rest
from collectors.binance.stream import StreamConnection
from collectors.binance.weight import Priority, WeightBudget
from collectors.boundarycheck import PAUSE_SECONDS, Answers, ask
from collectors.continuity import Cause
from collectors.custody import Custody, Means
from collectors.deadletter import DeadLetters
from collectors.delay import storage_delay
from collectors.messages import Assignment, Stop, WorkerSettings
from collectors.pace import Pace
from collectors.publisher import PUBLISH_INTERVAL, PUBLISH_SHARE, Publisher
from collectors.quiet import QuietWatch
from collectors.spool import Spool
from collectors.streamclock import StreamClock
from collectors.streampool import Line, StreamPool
from dataprovider.clickhouse import ClickHouse
from dataprovider.heartbeat import WorkerStatus
from dataprovider.logs import begin

logger = logging.getLogger(__name__)

#: How long one round waits for data (seconds): also the resolution of everything that happens by the clock.
ROUND = 0.02
REPORT_INTERVAL = 0.5
#: More useless frames than this in one turn (a megabyte) are not the exchange's: real ones have 250 bytes.
MOST_USELESS = 10_000
#: Useless frames are told in the log at most so often (seconds).
TELL_INTERVAL = 60.0
#: A minute is closed this long after its end by the exchange's clock: events arrive 2–160 ms after their time.
MINUTE_GRACE_MS = 2_000
#: Of the ten seconds a stop may take, how many are for storing what was received.
DRAIN_SECONDS = 6.5
#: How often it is looked whether the worker carries something else: then its heartbeat comes at once.
GLANCE_INTERVAL = 0.2


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
        self._custody = Custody(self._store, self._spool, Means(steady=self._clock), max_rows=settings.buffer_max_rows)
        self._ingest, self._writer, self._keeper = self._custody.ingest, self._custody.writer, self._custody.keeper
        self._dead = DeadLetters(settings.home / "dead_letters", f"worker{settings.worker}", time.time)
        self._pool = StreamPool(
            lambda: StreamConnection(settings.stream_url),
            self._clock,
            lambda symbols: self._ingest.interrupted(symbols, Cause.RECONNECT, self._clock()),
            symbols_per_connection=settings.symbols_per_connection,
            pace=Pace(settings.connect_interval, settings.connect_burst, self._clock()),
        )
        self._quiet = QuietWatch()
        self._stopping = threading.Event()
        budget = WeightBudget(self._redis, settings.egress)
        self._rest = Rest(settings.rest_url, budget, Priority.LIVE, self._stopping.is_set)
        self._checker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="boundary-check")
        self._check: Future[Answers] | None = None
        self._next_check = 0.0
        self._publisher = Publisher(self._redis, self.status)
        self._drained = threading.Event()
        self._lag_ms = 0.0
        self._exchange = StreamClock()
        self._rate, self._rate_from = 0.0, (self._clock(), 0)
        self._next_publish = self._next_second = self._next_telling = self._next_glance = 0.0
        self._carried = (0, 0)

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
            symbols=len(self._keeper.active),
            subscribed=self._pool.subscribed,
            connections=self._pool.connections,
            received=ingest.received,
            stored=self._writer.stored,
            duplicates=ingest.duplicates,
            dead_letters=self._dead.total,
            gaps=self._custody.findings.gaps_found,
            buffered_rows=ingest.buffered_rows + self._writer.rows_in_memory,
            spooled_batches=self._writer.spooled_batches,
            trades_per_s=round(self._rate, 1),
            lag_ms=round(self._lag_ms, 1),
            reconnects=self._pool.reconnects,
            quiet_symbols=self._quiet.count,
            storage_delay_ms=round(1000 * storage_delay(ingest, self._writer, self._spool, self._keeper, self._clock)),
            boundaries=dict(ingest.boundaries),
            updated_ms=int(time.time() * 1000),
        )

    def _round(self) -> None:
        for line, payloads in self._pool.step(ROUND):
            self._take(line, payloads)
        now = self._clock()
        self._custody.seal(now)
        if now >= self._next_publish and self._exchange.newest_ms:
            self._publisher.offer(self._ingest.take_changed_bars(), self._exchange.newest_ms)
            self._next_publish = now + max(PUBLISH_INTERVAL, (self._clock() - now) / PUBLISH_SHARE)
        if now >= self._next_second:
            self._next_second = now + 1.0
            self._every_second(now)
        if now >= self._next_glance:
            self._next_glance = now + GLANCE_INTERVAL
            carried = len(self._ingest.buffers), self._pool.subscribed
            if carried != self._carried:
                self._carried = carried
                self._publisher.beat()
        self._take_orders()
        if self._keeper.step(now):
            self._pool.set_symbols(self._keeper.active)
            self._quiet.keep(self._keeper.active)

    def _take(self, line: Line, payloads: list[bytes]) -> None:
        decoded = decode(payloads, self._ingest.symbols)
        for answer in decoded.answers:
            self._pool.answered(line, answer)
        if decoded.rejected:
            self._dead.add_all(decoded.rejected)
            if len(decoded.rejected) > MOST_USELESS:
                self._pool.end(line, "the exchange sent thousands of frames that cannot be used")
        if decoded.trades:
            self._pool.alive(line)
            now = self._clock()
            event_time = decoded.trades[-1].event_time
            fits = self._exchange.observe(event_time, now)
            self._ingest.latest_ms = self._exchange.latest_ms(now)
            self._ingest.add(decoded.trades, now)
            wanted = self._publisher.wanted
            if wanted:
                self._publisher.offer_trades(trade for trade in decoded.trades if trade.symbol in wanted)
            lag = time.time() * 1000 - event_time
            # A replayed day is years behind, by intention: that is not a lag.
            if fits and abs(lag) < 86_400_000:
                self._lag_ms += (lag - self._lag_ms) * 0.1

    def _every_second(self, now: float) -> None:
        for trade in self._custody.note(now):
            self._dead.add("absurd jump of the aggregate id", repr(tuple(trade)).encode())
        if now >= self._next_telling and (news := self._dead.news()):
            self._next_telling = now + TELL_INTERVAL
            logger.warning("%s", news)
        self._exchange.tick(now)
        self._ingest.close_minutes(self._exchange.now_ms(now) - MINUTE_GRACE_MS)
        since, received = self._rate_from
        self._rate = (self._ingest.received - received) / max(now - since, 0.001)
        self._rate_from = (now, self._ingest.received)
        for symbol in self._keeper.active:
            tracked = self._ingest.symbols[symbol]
            if self._quiet.due(
                symbol,
                seen_at=tracked.seen_at,
                tracked_since=tracked.since,
                received=tracked.received,
                now=now,
            ):
                self._pool.resubscribe(symbol)
        self._check_boundaries(now)

    def _check_boundaries(self, now: float) -> None:
        """Ask the exchange about symbols that have been silent since an interruption, or since their first trade."""
        if self._check is not None:
            if self._check.done():
                self._custody.learn(self._check.result(), now)
                self._check = None
        elif now >= self._next_check:
            # A symbol must have been subscribed before it is asked: what comes later, the stream tells.
            questions = self._custody.questions(now)
            if questions and self._pool.subscribed == len(self._keeper.active):
                self._next_check = now + PAUSE_SECONDS
                self._check = self._checker.submit(ask, self._rest, self._store, questions)

    def _take_orders(self) -> None:
        try:
            while self._link.poll():
                order = self._link.recv()
                if isinstance(order, Stop):
                    self._stopping.set()
                elif isinstance(order, Assignment):
                    self._keeper.assign(order.shards)
        except (EOFError, OSError):
            logger.error("The supervisor is gone: worker %d stops.", self._settings.worker)
            self._stopping.set()

    def _report(self) -> None:
        while True:
            last = self._drained.wait(REPORT_INTERVAL)
            try:
                self._link.send(self._custody.report())
            except OSError:
                self._stopping.set()
                return
            if last:
                return

    def _drain(self) -> bool:
        self._keeper.stop()
        self._pool.close()
        kept = self._custody.hand_over(self._clock(), lambda: self._writer.drain(DRAIN_SECONDS))
        self._exchange.tick(inf)
        self._publisher.offer(self._ingest.take_changed_bars(), self._exchange.newest_ms)
        self._publisher.stop()
        self._store.close()
        return kept


def main(settings: WorkerSettings, link: Connection) -> None:
    """A worker process from birth to exit: exit status 0 when nothing that was received is lost."""
    begin(f"worker {settings.worker}", settings.logs)
    worker = Worker(settings, link)
    # What was imported stays: looking through it for garbage would hold up every trade for tens of milliseconds.
    gc.freeze()
    signal.signal(signal.SIGTERM, lambda *_: worker.stop())
    # Ctrl-C reaches the whole group; the supervisor decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kept = worker.run()
    logging.shutdown()
    # Threads that wait for a service that hangs would hold up an ordinary exit.
    os._exit(0 if kept else 1)
