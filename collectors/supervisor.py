"""The supervisor: holds leases, forks workers, tells each which shards and symbols it owns, restarts the dead.

It knows Postgres; its workers do not. While Postgres is away it goes on with what it knows, since the fence in
ClickHouse keeps a shard from having two writers.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from multiprocessing.connection import wait
from pathlib import Path
from shutil import disk_usage

from django.db import Error as DatabaseError
from redis import Redis
from redis.exceptions import RedisError

from collectors.books import Answer, Books, Request
from collectors.messages import Report, Stop, WorkerSettings
from collectors.placing import Placing
from collectors.sideprocess import SideProcess
from collectors.statistics import statistics
from collectors.workerprocess import WorkerProcess
from dataprovider.heartbeat import HostStatus, WorkerStatus, forget, read_workers, write_host

logger = logging.getLogger(__name__)

TICK = 1.0
#: Postgres counts as away when it has not answered for so long (seconds).
PATIENCE = 5.0
#: SIGTERM to exit must take at most ten seconds; a worker that needs longer than this is killed.
STOP_SECONDS = 8.0
#: How often the exchange is asked for new and delisted contracts (seconds).
SYNC_SECONDS = 300.0
#: A worker reports twice a second; one that has been silent for so long (seconds) hangs, and is replaced.
STALLED_SECONDS = 15.0
#: Collection comes first: the others begin so much later (seconds).
SIDE_PROCESSES_AFTER = 8.0
#: How long the last words to Postgres may take at a stop (seconds).
CLOSE_SECONDS = 2.0


class Supervisor:
    """The farm. `run` returns the exit status: 0 when every worker kept everything it had received."""

    def __init__(
        self,
        owner: str,
        books: Books,
        settings: list[WorkerSettings],
        sync_symbols: Callable[[], object],
        redis: Redis,
        clock: Callable[[], float] = time.monotonic,
        side_processes: Sequence[SideProcess] = (),
        statistics_seconds: float = 300.0,
    ) -> None:
        """`sync_symbols` asks the exchange for its contracts and writes them down, in a thread of its own.

        `side_processes` run beside the stream workers for as long as they do. Every `statistics_seconds` the log is
        told how everything stands.
        """
        self._owner = owner
        self._books = books
        self._workers = [WorkerProcess(each) for each in settings]
        self._sync_symbols = sync_symbols
        self._redis = redis
        self._clock = clock
        self._side_processes = side_processes
        self._side_processes_at = 0.0
        self._home = next((each.home for each in settings), Path())
        self._statistics_seconds = statistics_seconds
        self._next_statistics = clock() + statistics_seconds
        # A fork server is forked from before any thread or connection exists, and stays that way for restarts.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["collectors.forkserver"])
        self._placing = Placing(self._workers)
        self._stopping = False
        self._postgres_away = False
        self._bookkeeper = ThreadPoolExecutor(max_workers=1, thread_name_prefix="books")
        self._asked: tuple[Request, float, Future[Answer]] | None = None
        self._last_words: Future[None] | None = None
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sync")
        self._sync: Future[object] | None = None
        self._next_sync = 0.0
        self._problem = ""
        self._deaths = 0
        # Until the exchange's list came back from Postgres, what is wanted is what was wanted last time.
        self._synced_at: float | None = None
        self._synced = False

    def stop(self) -> None:
        """Drain and end; for signal handlers."""
        self._stopping = True

    @property
    def hangs(self) -> bool:
        """Whether a thread still waits for Postgres or the exchange, and would hold up an ordinary exit."""
        return any(future is not None and not future.done() for future in (self._sync, self._last_words))

    def run(self) -> int:
        """Collect until told to stop."""
        next_tick = 0.0
        self._side_processes_at = self._clock() + SIDE_PROCESSES_AFTER
        while not self._stopping:
            now = self._clock()
            if self._tend_processes(now) or self._hear_from_exchange(now):
                # A new worker waits for higher epochs, a new contract for its worker: every second of it is trades that
                # go by.
                next_tick = now
            if now >= self._side_processes_at:
                for side_process in self._side_processes:
                    side_process.tend(self._context, now)
            self._hear_from_postgres(now)
            if now >= next_tick:
                next_tick = now + TICK
                self._ask_postgres(now)
                self._ask_exchange(now)
                self._assign()
                self._say_alive()
                if now >= self._next_statistics:
                    self._next_statistics = now + self._statistics_seconds
                    self._say_statistics()
            self._listen(0.1)
        return self._shut_down()

    def _tend_processes(self, now: float) -> bool:
        """Replace what died or hangs; whether a worker was started."""
        started = False
        for worker in self._workers:
            if worker.link is not None and now - worker.heard > STALLED_SECONDS:
                # If it was this process that was stopped, what the worker said meanwhile waits in the pipe.
                self._hear(worker)
            if worker.alive and now - worker.heard > STALLED_SECONDS:
                logger.error("Worker %d has said nothing for %.0f s and is killed.", worker.number, STALLED_SECONDS)
                worker.process.kill()
                worker.process.join()
            if worker.process is not None and not worker.process.is_alive():
                code = worker.buried(now)
                self._deaths += 1
                logger.error("Worker %d ended with status %s: a new one is started.", worker.number, code)
                self._placing.died(worker)
            if worker.process is None and now >= worker.start_at:
                worker.start(self._context, now)
                started = True
        return started

    def _ask_postgres(self, now: float) -> None:
        if self._asked is not None:
            return
        request = self._placing.request()
        self._asked = (request, now, self._bookkeeper.submit(self._books.update, request))

    def _hear_from_postgres(self, now: float) -> None:
        if self._asked is None:
            return
        request, since, future = self._asked
        if not future.done():
            if now - since > PATIENCE and not self._postgres_away:
                self._is_away("it does not answer")
            return
        self._asked = None
        try:
            answer = future.result()
        except DatabaseError as error:
            self._placing.take_back(request)
            self._is_away((str(error).strip().splitlines() or ["no answer"])[0])
            return
        if self._postgres_away:
            logger.info("Postgres is back.")
        self._postgres_away = False
        was_synced, self._synced = self._synced, self._synced_at is not None and since >= self._synced_at
        self._placing.take(request, answer)
        self._assign()
        if self._synced and not was_synced:
            self._say_alive()

    def _is_away(self, reason: str) -> None:
        if not self._postgres_away:
            logger.error("Postgres is away, collection goes on without it: %s", reason)
        self._postgres_away = True

    def _ask_exchange(self, now: float) -> None:
        if self._sync is None and now >= self._next_sync:
            self._next_sync = now + SYNC_SECONDS
            self._sync = self._syncer.submit(self._sync_symbols)

    def _hear_from_exchange(self, now: float) -> bool:
        """Whether its list of contracts has just been read."""
        if self._sync is None or not self._sync.done():
            return False
        error = self._sync.exception()
        self._sync = None
        self._problem = ""
        if error is None:
            self._synced_at = now if self._synced_at is None else self._synced_at
            return True
        self._problem = f"The list of contracts could not be read, trying again in 30 s: {error}"
        logger.warning("%s", self._problem)
        self._next_sync = now + 30.0
        return False

    def _say_alive(self) -> None:
        answer = self._placing.answer
        status = HostStatus(
            owner=self._owner,
            pid=os.getpid(),
            workers=len(self._workers),
            shards=len(answer.epochs),
            symbols=sum(len(answer.symbols.get(shard, ())) for shard in answer.epochs),
            open_gaps=answer.open_gaps,
            postgres_away=self._postgres_away,
            updated_ms=int(time.time() * 1000),
            synced=self._synced,
            problem=self._problem,
            deaths=self._deaths,
        )
        try:
            write_host(self._redis, status)
        except RedisError:
            # The workers say that Valkey is away; heartbeats are for people, collection goes on.
            logger.debug("Valkey did not take the heartbeat.")

    def _say_statistics(self) -> None:
        workers: list[WorkerStatus] | None = None
        with suppress(RedisError):
            workers = [each for each in read_workers(self._redis) if each.owner == self._owner]
        gaps = -1 if self._postgres_away else self._placing.answer.open_gaps
        disk = disk_usage(self._home)
        logger.info("%s", statistics(workers, gaps, 100 * disk.free / disk.total))

    def _assign(self) -> None:
        for worker, order in self._placing.orders():
            worker.tell(order)

    def _listen(self, seconds: float) -> None:
        links = {worker.link: worker for worker in self._workers if worker.link is not None}
        sentinels = [worker.process.sentinel for worker in self._workers if worker.process is not None]
        for ready in wait([*links, *sentinels], timeout=seconds):
            worker = links.get(ready)  # type: ignore[call-overload]
            if worker is not None:
                self._hear(worker)

    def _hear(self, worker: WorkerProcess) -> None:
        assert worker.link is not None
        try:
            while worker.link.poll():
                report = worker.link.recv()
                if isinstance(report, Report):
                    worker.heard = self._clock()
                    self._placing.heard(worker, report)
        except (EOFError, OSError):
            worker.link.close()
            worker.link = None

    def _shut_down(self) -> int:
        deadline = self._clock() + STOP_SECONDS
        for side_process in self._side_processes:
            side_process.tell_to_stop()
        for worker in self._workers:
            worker.tell(Stop())
        processes: list[WorkerProcess | SideProcess] = [*self._workers, *self._side_processes]
        while any(each.alive for each in processes) and self._clock() < deadline:
            self._listen(0.05)
        for side_process in self._side_processes:
            # What it had begun is taken up by another when its lease has run out.
            side_process.end()
        kept = True
        for worker in self._workers:
            if worker.alive:
                logger.error("Worker %d did not stop in time and is killed.", worker.number)
                worker.process.kill()
            if worker.process is not None:
                worker.process.join()
                kept = kept and worker.process.exitcode == 0
            if worker.link is not None:
                self._hear(worker)
        if self._asked is not None and (not self._asked[2].done() or self._asked[2].exception() is not None):
            self._placing.take_back(self._asked[0])
        try:
            self._last_words = self._bookkeeper.submit(
                self._books.close, self._placing.gaps, list(self._placing.boundaries)
            )
            self._last_words.result(CLOSE_SECONDS)
        except (DatabaseError, NotInTime):
            logger.error("Postgres is away: leases run out by themselves, gaps are found again at the next start.")
        try:
            forget(self._redis, self._owner, len(self._workers))
        except RedisError:
            logger.debug("Valkey is away: heartbeats run out by themselves.")
        return 0 if kept else 1
