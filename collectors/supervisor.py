"""The supervisor: holds leases, forks workers, tells each which shards and symbols it owns, restarts the dead.

It knows Postgres; its workers do not. While Postgres is away it goes on with what it knows, since the fence in
ClickHouse keeps a shard from having two writers.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import Any

from django.db import Error as DatabaseError
from django.db import close_old_connections
from redis import Redis
from redis.exceptions import RedisError

from collectors import worker as worker_module
from collectors.backoff import Backoff
from collectors.gaps import count_open_gaps, open_gaps
from collectors.leases import Leases
from collectors.messages import Assignment, GapFound, Report, ShardAssignment, Stop, WorkerSettings
from dataprovider.heartbeat import HostStatus, forget, write_host

logger = logging.getLogger(__name__)

TICK = 1.0
#: SIGTERM to exit must take at most ten seconds; a worker that needs longer than this is killed.
STOP_SECONDS = 9.0
#: How often the exchange is asked for new and delisted contracts (seconds).
SYNC_SECONDS = 300.0
#: A worker that lived this long (seconds) begins its restart delays anew.
LONG_LIFE = 60.0


class WorkerProcess:
    """One worker: its process, its pipe, and what it said last. A dead process is started again."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.number = settings.worker
        self.link: Connection | None = None
        self.process: Any = None
        self.held: dict[int, int] = {}
        self.low_epochs: dict[int, int] = {}
        self.told: Assignment | None = None
        self.backoff = Backoff(first=0.2, most=30.0)
        self.start_at = 0.0
        self.started = 0.0

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.is_alive()

    def start(self, context: Any, now: float) -> None:
        """Fork the process."""
        self.link, child = context.Pipe()
        self.process = context.Process(
            target=worker_module.main, args=(self.settings, child), name=f"worker-{self.number}", daemon=False
        )
        self.process.start()
        child.close()
        self.held, self.low_epochs, self.told, self.started = {}, {}, None, now

    def tell(self, order: Assignment | Stop) -> None:
        """Send an order; a worker that is gone is noticed elsewhere."""
        if self.link is not None:
            try:
                self.link.send(order)
            except OSError:
                return
            if isinstance(order, Assignment):
                self.told = order

    def buried(self, now: float) -> int | None:
        """Take note of the death of the process; its exit code."""
        code: int | None = self.process.exitcode
        self.process.join()
        if self.link is not None:
            self.link.close()
        self.link, self.process, self.told = None, None, None
        self.held, self.low_epochs = {}, {}
        if now - self.started > LONG_LIFE:
            self.backoff.reset()
        self.start_at = now + self.backoff.next_delay()
        return code


class Supervisor:
    """The farm. `run` returns the exit status: 0 when every worker kept everything it had received."""

    def __init__(
        self,
        leases: Leases,
        settings: list[WorkerSettings],
        wanted_symbols: Callable[[], dict[int, frozenset[str]]],
        sync_symbols: Callable[[], object],
        redis: Redis,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wanted_symbols`: shard -> names to collect now; `sync_symbols` asks the exchange for its contracts."""
        self._leases = leases
        self._workers = [WorkerProcess(each) for each in settings]
        self._wanted_symbols = wanted_symbols
        self._sync_symbols = sync_symbols
        self._redis = redis
        self._open_gaps = 0
        self._clock = clock
        # A fork server is forked from before any thread or connection exists, and stays that way for restarts.
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["collectors.worker"])
        self._epochs: dict[int, int] = {}
        self._placed: dict[int, int] = {}
        self._symbols: dict[int, frozenset[str]] = {}
        self._releasing: set[int] = set()
        self._gaps: list[GapFound] = []
        self._stopping = False
        self._postgres_away = False
        self._syncer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sync")
        self._sync: Future[object] | None = None
        self._next_sync = 0.0

    def stop(self) -> None:
        """Drain and end; for signal handlers."""
        self._stopping = True

    def run(self) -> int:
        """Collect until told to stop."""
        self._leases.join(len(self._workers))
        next_tick = 0.0
        while not self._stopping:
            now = self._clock()
            self._tend_processes(now)
            if now >= next_tick:
                next_tick = now + TICK
                self._tick(now)
            self._listen(0.1)
        return self._shut_down()

    def _tend_processes(self, now: float) -> None:
        for worker in self._workers:
            if worker.process is not None and not worker.process.is_alive():
                code = worker.buried(now)
                orphaned = [shard for shard, number in self._placed.items() if number == worker.number]
                logger.error("Worker %d ended with status %s: a new one is started.", worker.number, code)
                # Inserts of the dead one may still be under way: only a higher epoch shuts them out.
                for shard in orphaned:
                    worker.low_epochs[shard] = self._epochs.get(shard, 0)
            if worker.process is None and now >= worker.start_at:
                low = dict(worker.low_epochs)
                worker.start(self._context, now)
                worker.low_epochs = low

    def _tick(self, now: float) -> None:
        try:
            self._with_postgres(now)
        except DatabaseError as error:
            if not self._postgres_away:
                first_line = (str(error).strip().splitlines() or ["no answer"])[0]
                logger.error("Postgres is away, collection goes on without it: %s", first_line)
            self._postgres_away = True
            close_old_connections()
        else:
            if self._postgres_away:
                logger.info("Postgres is back.")
            self._postgres_away = False
        self._assign()
        self._say_alive()

    def _with_postgres(self, now: float) -> None:
        self._epochs = self._leases.renew()
        self._balance()
        self._raise_low_epochs()
        if self._gaps:
            open_gaps(self._gaps)
            self._gaps = []
        if self._sync is None and now >= self._next_sync:
            self._next_sync = now + SYNC_SECONDS
            self._sync = self._syncer.submit(self._sync_symbols)
        elif self._sync is not None and self._sync.done():
            self._sync_done(now)
        self._symbols = self._wanted_symbols()
        self._open_gaps = count_open_gaps()

    def _say_alive(self) -> None:
        status = HostStatus(
            owner=self._leases.owner,
            pid=os.getpid(),
            workers=len(self._workers),
            shards=len(self._epochs),
            symbols=sum(len(self._symbols.get(shard, ())) for shard in self._epochs),
            open_gaps=self._open_gaps,
            postgres_away=self._postgres_away,
            updated_ms=int(time.time() * 1000),
        )
        try:
            write_host(self._redis, status)
        except RedisError:
            # The workers say that Valkey is away; heartbeats are for people, collection goes on.
            logger.debug("Valkey did not take the heartbeat.")

    def _sync_done(self, now: float) -> None:
        assert self._sync is not None
        error = self._sync.exception()
        self._sync = None
        if error is not None:
            logger.warning("The list of contracts could not be read, trying again in 30 s: %s", error)
            self._next_sync = now + 30.0

    def _balance(self) -> None:
        share = self._leases.share()
        self._epochs.update(self._leases.acquire(share - len(self._epochs)))
        excess = len(self._epochs) - len(self._releasing & self._epochs.keys()) - share
        if excess > 0:
            self._releasing.update(sorted(self._epochs.keys() - self._releasing)[-excess:])
        free = [shard for shard in self._releasing if not any(shard in worker.held for worker in self._workers)]
        told_without = [shard for shard in free if not self._is_told(shard)]
        if told_without:
            self._leases.release(told_without)
            self._releasing.difference_update(told_without)
            for shard in told_without:
                self._epochs.pop(shard, None)
                self._placed.pop(shard, None)

    def _is_told(self, shard: int) -> bool:
        return any(worker.told is not None and shard in worker.told.shards for worker in self._workers)

    def _raise_low_epochs(self) -> None:
        for worker in self._workers:
            low = {
                shard: floor
                for shard, floor in worker.low_epochs.items()
                if shard in self._epochs and floor >= self._epochs[shard]
            }
            if low:
                self._epochs.update(self._leases.raise_epochs(low))
            worker.low_epochs = {}

    def _assign(self) -> None:
        for shard in [shard for shard in self._placed if shard not in self._epochs]:
            del self._placed[shard]
        for shard in sorted(self._epochs):
            if shard not in self._placed:
                loads = {worker.number: 0 for worker in self._workers}
                for number in self._placed.values():
                    loads[number] += 1
                self._placed[shard] = min(loads, key=lambda number: (loads[number], number))
        for worker in self._workers:
            order = Assignment(
                {
                    shard: ShardAssignment(self._epochs[shard], self._symbols.get(shard, frozenset()))
                    for shard, number in self._placed.items()
                    if number == worker.number
                    and shard not in self._releasing
                    # A dead worker's epochs are raised first, once Postgres answers.
                    and worker.low_epochs.get(shard, -1) < self._epochs[shard]
                }
            )
            if worker.alive and order != worker.told:
                worker.tell(order)
                self._note_placement(worker, order)

    def _note_placement(self, worker: WorkerProcess, order: Assignment) -> None:
        try:
            self._leases.placed(worker.number, worker.process.pid, list(order.shards))
        except DatabaseError:
            close_old_connections()

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
                    worker.held = report.held
                    worker.low_epochs.update(report.low_epochs)
                    self._gaps.extend(report.gaps)
        except (EOFError, OSError):
            worker.link.close()
            worker.link = None

    def _shut_down(self) -> int:
        deadline = self._clock() + STOP_SECONDS
        for worker in self._workers:
            worker.tell(Stop())
        while any(worker.alive for worker in self._workers) and self._clock() < deadline:
            self._listen(0.05)
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
        self._syncer.shutdown(wait=False, cancel_futures=True)
        try:
            open_gaps(self._gaps)
            self._leases.leave()
        except DatabaseError:
            logger.error("Postgres is away: leases run out by themselves, gaps are found again at the next start.")
        try:
            forget(self._redis, self._leases.owner, len(self._workers))
        except RedisError:
            logger.debug("Valkey is away: heartbeats run out by themselves.")
        return 0 if kept else 1
