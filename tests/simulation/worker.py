"""A simulated worker process: the production Custody (ingest, writer, keeper, spool) with a stream around it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Protocol, cast

from collectors.backoff import Backoff
from collectors.binance.rest import Rest
from collectors.boundarycheck import Answers, ask
from collectors.continuity import Cause
from collectors.custody import Custody, Means
from collectors.messages import Assignment, Report
from collectors.spool import Spool
from collectors.trade import Trade
from dataprovider.clickhouse import ClickHouse
from tests.simulation.exchange import Exchange, Line
from tests.simulation.store import Store
from tests.simulation.world import EPOCH_MS, Process, World

ROUND = 0.25
#: As in the stream pool: silence that is taken for a stall (seconds).
SILENCE = 6.0
#: How long a stop waits for the store (seconds).
DRAIN_SECONDS = 3.0


class GreenExecutor(Executor):
    """One thread of a simulated process: one call after the other."""

    def __init__(self, world: World, process: Process) -> None:
        self._world = world
        self._process = process
        self._calls: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self._works = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._calls.append((future, fn, args))
        if not self._works:
            self._works = True
            self._world.spawn(self._work, self._process)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._calls.clear()

    def _work(self) -> None:
        while self._calls:
            future, fn, args = self._calls.pop(0)
            try:
                result = fn(*args)
            except Exception as error:  # noqa: BLE001 - as every executor does
                future.set_exception(error)
            else:
                future.set_result(result)
        self._works = False


class Watcher(Protocol):
    """Who watches over the promises (tests.simulation.promises.Promises)."""

    def opened(self, worker: Worker, shard: int, epoch: int) -> None: ...
    def receive(self, worker: Worker, trades: list[Trade], take: Callable[[], None]) -> None: ...
    def interrupted(self, worker: Worker, symbols: set[str]) -> None: ...


class Worker:
    """One incarnation of a worker process; the next one is another object."""

    def __init__(
        self,
        world: World,
        store: Store,
        exchange: Exchange,
        folder: Path,
        *,
        name: str,
        max_rows: int,
        spool_bytes: int,
        heard: Callable[[Report], None],
        promises: Watcher,
    ) -> None:
        self.process = Process(name)
        self.max_rows, self.spool_bytes = max_rows, spool_bytes
        self.stopping = False
        self.kept: bool | None = None
        self._world, self._store, self._exchange = world, store, exchange
        self._heard, self._promises = heard, promises
        self.spool = Spool(folder, spool_bytes)
        self._executor = GreenExecutor(world, self.process)
        self._checker = GreenExecutor(world, self.process)
        means = Means(
            steady=world.clock,
            wall=lambda: EPOCH_MS / 1000 + world.now,
            opener=self._executor,
            writing=Backoff(first=0.1, most=2.0, source=world.chance),
            opening=Backoff(first=0.5, most=5.0, source=world.chance),
        )
        self.custody = Custody(cast(ClickHouse, store), self.spool, means, max_rows=max_rows)
        tell = self.custody.ingest.open_shard

        def open_shard(shard: int, epoch: int) -> None:
            tell(shard, epoch)
            promises.opened(self, shard, epoch)

        self.custody.ingest.open_shard = open_shard  # type: ignore[method-assign]
        self.lines: list[Line] = []
        self._data_at = 0.0
        self._check: Future[Answers] | None = None
        self._next_check = 0.0
        world.spawn(self._run, self.process)
        world.spawn(self._write, self.process)

    def assign(self, order: Assignment) -> None:
        """What the supervisor sent."""
        self.custody.keeper.assign(order.shards)

    def gone(self) -> None:
        """kill -9."""
        self._world.kill(self.process)
        for line in list(self.lines):
            self._close(line)

    def cut(self) -> None:
        """A connection is lost and noticed at once."""
        if self.lines:
            self._world.fault("connection cut", self.process.name)
            self._close(self.lines[0])
            self._interrupted()

    def mute(self) -> None:
        """A connection falls silent without an end."""
        if self.lines:
            self._world.fault("connection mute", self.process.name)
            self.lines[0].mute = True

    def _run(self) -> None:
        custody, world = self.custody, self._world
        next_second = next_report = 0.0
        while not self.stopping:
            now = world.now
            custody.seal(now)
            if now >= next_second:
                next_second = now + 1.0
                self._every_second(now)
            if custody.keeper.step(now):
                for line in self.lines:
                    line.symbols = set(custody.keeper.active)
            self._tend_lines(now)
            if now >= next_report:
                next_report = now + 0.5
                self._report()
            world.sleep(ROUND)
        custody.keeper.stop()
        for line in list(self.lines):
            self._close(line)
        self.kept = custody.hand_over(world.now, self._drain)
        self._report()
        world.sleep(0.01)
        world.kill(self.process)

    def _every_second(self, now: float) -> None:
        custody = self.custody
        custody.note(now)
        if self._check is not None:
            if self._check.done():
                custody.learn(self._check.result(), now)
                self._check = None
        elif now >= self._next_check:
            questions = custody.questions(now)
            if questions and self.lines:
                self._next_check = now + 5.0
                rest, store = cast(Rest, self._exchange), cast(ClickHouse, self._store)
                self._check = self._checker.submit(ask, rest, store, questions)

    def _write(self) -> None:
        while self.process.alive and self.kept is None:
            pause = self.custody.writer.attempt()
            self._world.sleep(pause or 0.2)

    def _drain(self) -> None:
        until = self._world.now + DRAIN_SECONDS
        while self._world.now < until and any(map(self.custody.writer.pending, self._store.opened)):
            self._world.sleep(0.1)

    def _report(self) -> None:
        report = self.custody.report()
        # What is in the pipe arrives, whatever becomes of the worker.
        self._world.later(0.001, lambda: self._heard(report))

    def _tend_lines(self, now: float) -> None:
        if not self.lines or now - self._data_at > SILENCE:
            if self.lines:
                self._interrupted()
            self._data_at = now + self._world.between(0.0, 1.0)
            self._world.later(self._world.between(0.05, 0.4), self._connect, self.process)

    def _connect(self) -> None:
        if self.stopping or self._world.happens(0.1):
            return
        line = Line(self.process, lambda trades: self._take(line, trades), set(self.custody.keeper.active))
        self.lines.append(line)
        self._exchange.connect(line)

    def _take(self, line: Line, trades: list[Trade]) -> None:
        known = self.custody.ingest.symbols
        mine = [trade for trade in trades if trade.symbol in known]
        if self.stopping or not mine:
            return
        self._data_at = self._world.now
        if len(self.lines) > 1 and line is self.lines[-1]:
            for old in self.lines[:-1]:
                self._close(old)
        self._promises.receive(self, mine, lambda: self.custody.ingest.add(mine, self._world.now))

    def _close(self, line: Line) -> None:
        self._exchange.close(line)
        if line in self.lines:
            self.lines.remove(line)

    def _interrupted(self) -> None:
        symbols = self.custody.keeper.active
        self._world.note(self.process.name, "interrupted", *sorted(symbols))
        self.custody.ingest.interrupted(symbols, Cause.RECONNECT, self._world.now)
        self._promises.interrupted(self, symbols)
