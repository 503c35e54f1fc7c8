"""What is done to the processes and services of a simulated world: which kinds of faults, how often, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tests.simulation.farm import Host, Recovery
from tests.simulation.postgres import Postgres
from tests.simulation.store import Store
from tests.simulation.worker import Worker
from tests.simulation.world import Process, World


class Trouble:
    """Some of the kinds of faults, one after the other, until the world is calm."""

    def __init__(
        self,
        world: World,
        hosts: list[Host],
        recoveries: list[Recovery],
        store: Store,
        postgres: Postgres,
        make_recovery: Callable[[int], Recovery],
    ) -> None:
        self._world, self._hosts, self._recoveries = world, hosts, recoveries
        self._store, self._postgres, self._make_recovery = store, postgres, make_recovery
        kinds = list(self._faults())
        self._enabled = world.chance.sample(kinds, world.chance.randrange(1, len(kinds) + 1))
        self._pause = world.chance.choice((1.0, 3.0, 6.0))
        world.later(world.between(1, 5), self._go_on)

    def _go_on(self) -> None:
        if self._world.calm:
            return
        self._faults()[self._world.chance.choice(self._enabled)]()
        self._world.later(self._world.between(0.2, 2 * self._pause), self._go_on)

    def _faults(self) -> dict[str, Callable[[], None]]:
        return {
            "worker killed": self._kill_worker,
            "worker paused": self._pause_worker,
            "host killed": self._kill_host,
            "host stopped": self._stop_host,
            "host paused": self._pause_host,
            "host cut off": self._cut_host_off,
            "store crashes": lambda: self._store.crash(self._world.between(0.5, 5.0)),
            "Postgres away": self._postgres_away,
            "connection cut": lambda: self._worker_of_some_host(lambda worker: worker.cut()),
            "connection mute": lambda: self._worker_of_some_host(lambda worker: worker.mute()),
            "recovery killed": self._kill_recovery,
            "recovery paused": self._pause_recovery,
            "recovery stopped": self._stop_recovery,
            "disk full": self._fill_disk,
        }

    def _worker_of_some_host(self, action: Callable[[Worker], None]) -> None:
        worker = self._world.chance.choice(self._hosts).seat.worker
        if worker is not None and worker.process.alive and not worker.process.paused:
            action(worker)

    def _kill_worker(self) -> None:
        def kill(worker: Worker) -> None:
            self._world.fault("worker killed", worker.process.name)
            worker.gone()

        self._worker_of_some_host(kill)

    def _pause_worker(self) -> None:
        seconds = self._world.between(0.5, 9.0)

        def pause(worker: Worker) -> None:
            self._world.fault("worker paused", worker.process.name, round(seconds, 1))
            self._world.pause(worker.process, seconds)

        self._worker_of_some_host(pause)

    def _kill_host(self) -> None:
        host = self._world.chance.choice(self._hosts)
        if host.process.alive and not host.process.paused:
            self._world.fault("host killed", host.process.name)
            host.kill()
            self._start_again(host)

    def _stop_host(self) -> None:
        host = self._world.chance.choice(self._hosts)
        if host.process.alive and not host.process.paused and not host.stopping:
            self._world.fault("host stopped", host.process.name)
            host.stop()
            self._start_again(host)

    def _start_again(self, host: Host) -> None:
        """Two supervisors of one host never run beside each other."""

        def start() -> None:
            worker = host.seat.worker
            if host.process.alive or (worker is not None and worker.process.alive):
                self._world.later(0.5, start)
            else:
                host.start()

        self._world.later(self._world.between(0.5, 4.0), start)

    def _pause_host(self) -> None:
        host, seconds = self._world.chance.choice(self._hosts), self._world.between(1.0, 9.0)
        processes = [host.process] + ([host.seat.worker.process] if host.seat.worker else [])
        if all(process.alive and not process.paused for process in processes):
            self._world.fault("host paused", host.process.name, round(seconds, 1))
            for process in processes:
                self._world.pause(process, seconds)

    def _cut_host_off(self) -> None:
        """Longer than its leases last, mostly. It may say what it misses before the store says that its shards are
        another's, who may hold just these trades and be unable to store them yet."""
        world = self._world
        host, seconds = world.chance.choice(self._hosts), world.between(1.0, 10.0)
        worker = host.seat.worker
        if worker is None or not (host.process.alive and worker.process.alive):
            return
        world.fault("host cut off", host.process.name, round(seconds, 1))
        if world.chance.random() < 0.5:
            worker.mute()
        processes = (host.process, worker.process)
        self._cut_off(processes, "postgres", seconds)
        self._cut_off(processes, "store", seconds + world.between(0.0, 8.0))
        for other in self._hosts:
            if other is not host and world.chance.random() < 0.5:
                world.later(seconds - 0.5, partial(self._cut_worker_off, other, world.between(1.0, 8.0)))

    def _cut_worker_off(self, host: Host, seconds: float) -> None:
        """It cannot store for a while."""
        if host.seat.worker is not None and not self._world.calm:
            self._cut_off((host.seat.worker.process,), "store", seconds)

    def _cut_off(self, processes: tuple[Process, ...], service: str, seconds: float) -> None:
        for process in processes:
            process.cut_off.add(service)
            self._world.later(seconds, partial(process.cut_off.discard, service))

    def _postgres_away(self) -> None:
        self._world.fault("Postgres away")
        self._postgres.down = True

        def back() -> None:
            self._postgres.down = False

        self._world.later(self._world.between(0.5, 6.0), back)

    def _kill_recovery(self) -> None:
        number = self._world.chance.randrange(len(self._recoveries))
        self._world.fault("recovery killed", number)
        self._world.kill(self._recoveries[number].process)
        self._replace(number)

    def _stop_recovery(self) -> None:
        number = self._world.chance.randrange(len(self._recoveries))
        self._world.fault("recovery stopped", number)
        self._recoveries[number].stopping = True
        self._replace(number)

    def _replace(self, number: int) -> None:
        """A new one, as soon as the old one is gone."""
        old = self._recoveries[number]

        def again() -> None:
            if old.process.alive:
                self._world.later(0.5, again)
            else:
                self._recoveries[number] = self._make_recovery(number)

        if not old.replaced:
            old.replaced = True
            self._world.later(self._world.between(0.2, 2.0), again)

    def _pause_recovery(self) -> None:
        process = self._world.chance.choice(self._recoveries).process
        if process.alive and not process.paused:
            self._world.fault("recovery paused", process.name)
            self._world.pause(process, self._world.between(1.0, 9.0))

    def _fill_disk(self) -> None:
        def fill(worker: Worker) -> None:
            self._world.fault("disk full", worker.process.name)
            worker.spool._max_bytes = 0

            def freed() -> None:
                worker.spool._max_bytes = worker.spool_bytes

            self._world.later(self._world.between(1.0, 8.0), freed)

        self._worker_of_some_host(fill)
