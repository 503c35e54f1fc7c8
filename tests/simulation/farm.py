"""Simulated hosts: a supervisor (Placing and Books as in production), its worker, and the processes of recovery."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from django.db import Error as DatabaseError

from collectors.backoff import Waiting
from collectors.binance.archive import Archives
from collectors.binance.clock import ExchangeClock
from collectors.binance.rest import Rest
from collectors.books import Books, Record
from collectors.leases import Leases
from collectors.messages import Assignment, GapFound, Report
from collectors.placing import Placing
from dataprovider.clickhouse import ClickHouse, ClickHouseError
from integrity.models import RecoveryJob
from integrity.recovery.ending import end_of
from integrity.recovery.queue import Progress
from integrity.recovery.tools import Tools
from tests.simulation.exchange import Exchange
from tests.simulation.jobs import Jobs
from tests.simulation.postgres import ModelLeases, Postgres
from tests.simulation.store import Store
from tests.simulation.worker import Worker
from tests.simulation.world import Process, World

#: Shorter than in production, so that a seed sees a shard change hands in few virtual seconds.
LEASE_SECONDS = 3.0
STALLED_SECONDS = 5.0


class Seat:
    """The worker of a host as its supervisor sees it (collectors.placing.Carrier)."""

    def __init__(self) -> None:
        self.number = 0
        self.worker: Worker | None = None
        self.held: dict[int, int] = {}
        self.low_epochs: dict[int, int] = {}
        self.told: Assignment | None = None
        self.heard_at = 0.0

    @property
    def alive(self) -> bool:
        return self.worker is not None and self.worker.process.alive

    @property
    def pid(self) -> int | None:
        return 1 if self.alive else None


class Host:
    """A supervisor and its worker. After its death `start` makes the next one, in the same folder."""

    def __init__(
        self,
        world: World,
        postgres: Postgres,
        name: str,
        make_worker: Callable[[str, Callable[[Report], None]], Worker],
    ) -> None:
        self._world, self._postgres, self._name, self._make_worker = world, postgres, name, make_worker
        self._lives = 0
        self.seat = Seat()
        self._under_way: list[GapFound] = []
        self.start()

    def start(self) -> None:
        """A new process under a new name."""
        self._lives += 1
        self.stopping = False
        self.process = Process(f"{self._name}.{self._lives}")
        leases = ModelLeases(self._postgres, self.process.name, LEASE_SECONDS)
        record = Record(
            open_gaps=self._postgres.open_gaps,
            count_open_gaps=self._postgres.count_open_gaps,
            lost_beginnings=self._postgres.lost_beginnings,
            record_boundaries=self._postgres.record_boundaries,
            forget_old_boundaries=lambda: 0,
            refresh=lambda: None,
            close=lambda: None,
        )
        self._books = Books(cast(Leases, leases), lambda: self._postgres.wanted, self._world.clock, record)
        self._leases = leases
        self.seat = Seat()
        self.placing = Placing([self.seat])
        self._world.spawn(self._run, self.process)

    def kill(self) -> None:
        """The supervisor is killed: its worker notices, drains and ends; what it still reports nobody hears."""
        self._world.kill(self.process)
        if self.seat.worker is not None:
            self.seat.worker.stopping = True

    def stop(self) -> None:
        """SIGTERM."""
        self.stopping = True

    @property
    def pending(self) -> list[GapFound]:
        """Gaps that it has heard of and Postgres has not."""
        return [*self.placing.gaps, *self._under_way]

    def _run(self) -> None:
        world, seat = self._world, self.seat
        while True:
            try:
                self._leases.join(1)
                break
            except DatabaseError:
                world.sleep(0.5)
        while not self.stopping:
            if seat.worker is not None and not seat.worker.process.alive:
                self.placing.died(seat)
                seat.worker, seat.told, seat.held = None, None, {}
                world.sleep(world.between(0.1, 0.5))
            elif seat.worker is None:
                seat.worker = self._make_worker(self.process.name, self._heard)
                seat.heard_at = world.now
            elif world.now - seat.heard_at > STALLED_SECONDS:
                world.note(seat.worker.process.name, "hangs and is killed")
                world.kill(seat.worker.process)
            self._ask()
            self._assign()
            world.sleep(1.0)
        self._shut_down()

    def _ask(self) -> None:
        request = self.placing.request()
        self._under_way = list(request.gaps)
        try:
            answer = self._books.update(request)
        except DatabaseError:
            self.placing.take_back(request)
        else:
            self.placing.take(request, answer)
        self._under_way = []

    def _assign(self) -> None:
        for seat, order in self.placing.orders():
            seat.told = order
            if seat.worker is not None:
                self._world.later(0.001, partial(seat.worker.assign, order), seat.worker.process)

    def _heard(self, report: Report) -> None:
        if self.process.alive:
            self.seat.heard_at = self._world.now
            self.placing.heard(self.seat, report)

    def _shut_down(self) -> None:
        worker = self.seat.worker
        if worker is not None:
            worker.stopping = True
            deadline = self._world.now + 8.0
            while worker.process.alive and self._world.now < deadline:
                self._world.sleep(0.1)
            self._world.kill(worker.process)
            self._world.sleep(0.01)
        try:
            self._books.close(self.placing.gaps, list(self.placing.boundaries))
        except DatabaseError:
            self._world.note(self.process.name, "Postgres is away at the end")
        self._world.kill(self.process)


class Recovery:
    """The keeper and one recovery worker: the production run of a job (IdsRecovery, Filler, fetch_ids, end_of)."""

    def __init__(
        self, world: World, store: Store, exchange: Exchange, jobs: Jobs, folder: Path, *, name: str, keeps: bool
    ) -> None:
        self._world, self._jobs, self._store = world, jobs, store
        self.process = Process(name)
        #: Killed, and another is on its way.
        self.replaced = False
        self.stopping = False
        rest, clickhouse = cast(Rest, exchange), cast(ClickHouse, store)
        self._tools = Tools(
            store=clickhouse,
            rest=lambda priority, give_up: rest,
            archives=cast(Archives, None),
            clock=cast(ExchangeClock, exchange),
            folder=folder,
            look_back_ms=24 * 3_600_000,
            give_up_days=3,
            closing=lambda: None,
            waiting=Waiting(world.clock, world.sleep, world.chance),
        )
        world.spawn(self._run, self.process)
        if keeps:
            world.spawn(self._keep, self.process)

    def _keep(self) -> None:
        while True:
            try:
                self._jobs.plan()
                self._jobs.reap(cast(ClickHouse, self._store))
            except (DatabaseError, ClickHouseError):
                self._world.note("keeper waits")
            self._world.sleep(1.0)

    def _run(self) -> None:
        while not self.stopping:
            job = None
            try:
                job = self._jobs.claim(self.process.name)
                if job is not None:
                    self._perform(job)
            except DatabaseError:
                self._world.sleep(1.0)
            if job is None:
                self._world.sleep(0.8)
        self._world.kill(self.process)

    def _perform(self, job: RecoveryJob) -> None:
        ends: list[bool] = []
        over: list[bool] = []

        def pulse() -> None:
            while not over:
                try:
                    if not self._jobs.heartbeat(job, Progress()):
                        ends.append(True)
                except DatabaseError:
                    self._world.note("no heartbeat of job", job.pk)
                self._world.sleep(1.0)

        self._world.spawn(pulse, self.process)
        try:
            end = end_of(job, self._tools, Progress(), lambda: self.stopping or bool(ends), self._jobs)
        finally:
            over.append(True)
        if end is not None:
            end()
