"""One seed, one run: which faults there are and when, all by the seed's own chance."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from collectors.messages import Report
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from integrity.recovery.fill import Filler
from tests.simulation.exchange import Exchange, Weather
from tests.simulation.farm import Host, Recovery
from tests.simulation.jobs import Jobs
from tests.simulation.postgres import Postgres
from tests.simulation.promises import Promises
from tests.simulation.store import Store, StoreWeather
from tests.simulation.trouble import Trouble
from tests.simulation.worker import Worker
from tests.simulation.world import World

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
#: How long everything has to become whole again once the faults have stopped (virtual seconds).
CONVERGES_WITHIN = 400.0
#: Every so many seeds there is no end of the faults, and more of them.
SAFETY_EVERY = 4


@dataclass
class Result:
    """What a seed came to; `violations` is empty when every promise was kept."""

    seed: int
    mode: str
    violations: list[str]
    faults: dict[str, int]
    sent: int
    stored: int
    virtual_seconds: float
    trace: list[tuple[object, ...]] = field(default_factory=list)


class Run:
    """The world of one seed."""

    def __init__(self, seed: int, folder: Path, *, traced: bool = False) -> None:
        self.world = world = World(seed, traced=traced)
        chance = world.chance
        self.mode = "safety" if seed % SAFETY_EVERY == 0 else "liveness"

        def sometimes(probability: float) -> float:
            return probability if chance.random() < 0.5 else 0.0

        symbols = chance.sample(SYMBOLS, chance.randrange(1, 4))
        self.weather = Weather(
            drop=sometimes(0.02),
            twice=sometimes(0.03),
            late=sometimes(0.03),
            absurd=sometimes(0.005),
            absurd_first=sometimes(0.5),
            quiet=sometimes(0.5),
            absent=sometimes(0.01),
            twin=sometimes(0.005),
            rest_away=sometimes(0.2),
            rest_lag=sometimes(0.2),
        )
        self._folder = folder
        self._max_rows = chance.choice((30, 100, 10_000))
        self._spool_bytes = chance.choice((3_000, 20_000, 10**9))
        self.exchange = Exchange(
            world, symbols, self.weather, rate=chance.choice((0.5, 1.0, 2.0)), speed=chance.choice((1, 6))
        )
        self.store = Store(
            world,
            StoreWeather(
                lose_answer=sometimes(chance.choice((0.05, 0.3))),
                lose_request=sometimes(0.05),
                hang=sometimes(chance.choice((0.06, 0.25))),
                remembered=chance.choice((40, 10_000)),
            ),
        )
        shards = {name: shard_of(name) for name in symbols}
        self.postgres = Postgres(world, sorted(set(shards.values())), shards)
        self.postgres.lose_answer = sometimes(0.02)
        self.jobs = Jobs(self.postgres, lease_seconds=4.0)
        self.promises = Promises(world, self.exchange, self.store, self.postgres, self.jobs)
        self._made = 0
        self.hosts = [
            Host(world, self.postgres, f"host{number}", self._maker(number))
            for number in range(chance.choice((1, 1, 2)))
        ]
        self.promises.hosts = self.hosts
        self.recoveries = [self._recovery(number) for number in range(chance.choice((1, 2)))]
        Trouble(world, self.hosts, self.recoveries, self.store, self.postgres, self._recovery)
        world.later(1.0, self._check)
        world.later(4.0, self._check_candles)

    def go(self) -> Result:
        """Let it happen."""
        world = self.world
        world.run(world.between(10, 25) if self.mode == "liveness" else world.between(25, 40))
        if self.mode == "liveness" and not world.violations:
            self._calm()
            if not world.run(CONVERGES_WITHIN, self._is_whole, step=2.0) and not world.violations:
                for text in self.promises.unfinished()[:5]:
                    world.violate("Liveness", text)
            if not world.violations:
                self._repair_again()
        if not world.violations:
            self.promises.check()
            self.promises.check_candles()
        sent = sum(len(trades) for ids in self.exchange.truth.values() for trades in ids.values())
        world.close()
        return Result(
            world.seed, self.mode, world.violations, world.faults, sent, self.store.count, world.now, world.trace
        )

    def _repair_again(self) -> None:
        """Everything is there: to recover it all once more stores nothing."""
        world = self.world

        def repair() -> None:
            for symbol, base in sorted(self.promises.base.items()):
                filler = Filler(cast(ClickHouse, self.store), symbol, 1, lambda: False)
                stored = filler.fill(self.exchange.agg_trades(symbol, base))
                # A second trade under a used id may have been lost: ids do not tell.
                if stored > sum(len(trades) - 1 for trades in self.exchange.truth[symbol].values()):
                    world.violate("P3", f"{symbol}: a second repair stored {stored} trades")

        world.spawn(repair, None)
        world.run(5.0)

    def _is_whole(self) -> bool:
        self.exchange.silent = self.world.now > self._calm_since + 4.0
        return self.exchange.silent and not self.promises.unfinished()

    def _calm(self) -> None:
        world = self.world
        world.note("the faults stop")
        world.calm = True
        self._calm_since = world.now
        self.store.down = self.postgres.down = False
        for worker in self.promises.workers:
            worker.spool._max_bytes = worker.spool_bytes

    def _check(self) -> None:
        self.promises.check()
        self.world.later(1.0, self._check)

    def _check_candles(self) -> None:
        self.promises.check_candles()
        self.world.later(6.0, self._check_candles)

    def _maker(self, number: int) -> Callable[[str, Callable[[Report], None]], Worker]:
        def make(name: str, heard: Callable[[Report], None]) -> Worker:
            self._made += 1
            worker = Worker(
                self.world,
                self.store,
                self.exchange,
                self._folder / f"host{number}",
                name=f"{name}/worker{self._made}",
                max_rows=self._max_rows,
                spool_bytes=self._spool_bytes,
                heard=heard,
                promises=self.promises,
            )
            self.promises.watch(worker)
            return worker

        return make

    def _recovery(self, number: int) -> Recovery:
        return Recovery(
            self.world,
            self.store,
            self.exchange,
            self.jobs,
            self._folder,
            name=f"recovery{number}",
            keeps=number == 0,
        )


def simulate(seed: int, *, traced: bool = False) -> Result:
    """Run one seed."""
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        return Run(seed, folder, traced=traced).go()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
