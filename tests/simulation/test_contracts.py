"""The simulated services do what the real ones do: the same operations on both, and the same answers from both."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from collectors import gaps as real_gaps
from collectors.batch import columns_of
from collectors.leases import Leases
from collectors.messages import GapFound
from collectors.models import CollectorHost, Gap, ShardLease
from dataprovider.clickhouse import ClickHouse, ClickHouseError
from integrity.models import RecoveryJob
from integrity.recovery import queue
from integrity.recovery.gapplan import plan_gaps
from integrity.recovery.ledger import PostgresLedger
from integrity.recovery.queue import Progress
from tests.collectors.trades import trade
from tests.integrity.rows import make_symbol
from tests.simulation.jobs import Jobs
from tests.simulation.postgres import ModelLeases, Postgres
from tests.simulation.store import Store, StoreWeather
from tests.simulation.world import EPOCH_MS, World

SYMBOL, SHARD = "BTCUSDT", 11


class Still(World):
    """A world in which nobody waits."""

    def sleep(self, seconds: float) -> None:
        """It is later at once."""


@pytest.fixture
def world() -> World:
    return Still(1)


@pytest.fixture
def postgres(world: World) -> Postgres:
    return Postgres(world, range(16), {SYMBOL: SHARD})


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_leases(world: World, postgres: Postgres, seed: int) -> None:
    chance = random.Random(seed)
    names = [f"{name}:1:7-abc" for name in ("one", "two", "three")]
    real = {name: Leases(name) for name in names}
    model = {name: ModelLeases(postgres, name, 15.0) for name in names}
    for name in names[:2]:
        real[name].join(1)
        model[name].join(1)
    for _ in range(25):
        name, shards = chance.choice(names), chance.sample(range(16), 3)
        operation = chance.choice(("renew", "share", "acquire", "raise_epochs", "release", "passes", "leave"))
        if operation == "passes":
            seconds = chance.randrange(3, 11)
            world.now += seconds
            ago = timedelta(seconds=seconds)
            CollectorHost.objects.update(heartbeat_at=F("heartbeat_at") - ago)
            ShardLease.objects.update(expires_at=F("expires_at") - ago)
            continue
        possible: dict[str, dict[str, Any]] = {
            "acquire": {"most": chance.randrange(8)},
            "raise_epochs": {"at_least": {shard: chance.randrange(6) for shard in shards}},
            "release": {"shards": shards},
        }
        arguments = possible.get(operation, {})
        answers = [getattr(leases[name], operation)(**arguments) for leases in (real, model)]
        assert answers[0] == answers[1], (operation, arguments)
        rows = {row.shard: (row.owner, row.epoch) for row in ShardLease.objects.all()}
        assert rows == {shard: (row.owner, row.epoch) for shard, row in postgres.leases.items()}, operation


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_gaps_and_jobs(world: World, postgres: Postgres, clickhouse: ClickHouse, seed: int) -> None:
    chance = random.Random(seed)
    make_symbol(SYMBOL)
    model, real = Jobs(postgres, float(queue.LEASE_SECONDS)), PostgresLedger()
    running: tuple[RecoveryJob, RecoveryJob] | None = None
    claims = 0
    for _ in range(60):
        operation = chance.choice(("found", "found", "plan", "claim", "settle", "settle", "end", "end", "late"))
        if operation == "found":
            first = chance.randrange(60)
            cause = chance.choice(("stream", "spool_full", "spool_full"))
            found = [
                GapFound(SYMBOL, first, first + chance.randrange(6), cause, None, chance.randrange(1, 10**9)),
                GapFound(SYMBOL, first + 6, first + 6 + chance.randrange(6), cause, None, chance.randrange(1, 10**9)),
            ]
            assert real_gaps.open_gaps(found) == postgres.open_gaps(found)
        elif operation == "plan":
            assert plan_gaps() == model.plan()
        elif operation == "claim" and running is None:
            claimed = queue.claim("one"), model.claim("one")
            assert (claimed[0] is None) == (claimed[1] is None)
            if claimed[0] is not None and claimed[1] is not None:
                running = claimed[0], claimed[1]
                claims += 1
        elif operation == "late" and running is not None:
            world.now += 21
            RecoveryJob.objects.update(lease_expires_at=F("lease_expires_at") - timedelta(seconds=21))
            RecoveryJob.objects.update(next_attempt_at=F("next_attempt_at") - timedelta(seconds=21))
            assert queue.reap(clickhouse) == model.reap(clickhouse)
        elif operation == "settle" and running is not None:
            taken = [real.unfinished_gaps(running[0]), model.unfinished_gaps(running[1])]
            absent = [(chance.randrange(60), 70, {"source": "rest"})] if chance.random() < 0.5 else []
            still, alive = chance.random() < 0.3, model.heartbeat(running[1], Progress())
            assert queue.heartbeat(running[0], Progress()) == alive
            assert [(each.first_id, each.status) for each in taken[0]] == [
                (each.first_id, each.status) for each in taken[1]
            ]
            assert len(real.take_up(taken[0])) == len(model.take_up(taken[1]))
            for one, other in zip(*taken, strict=True):
                assert real.settle(one, absent, still) == model.settle(other, absent, still)
        elif operation == "end" and running is not None:
            end: Callable[..., Any] = chance.choice(
                (
                    lambda ledger, job: ledger.finish(job, Progress(), "done"),
                    lambda ledger, job: ledger.put_back(job, Progress(), "later", seconds=0.0),
                    lambda ledger, job: ledger.failed(job, Progress(), "no"),
                )
            )
            assert end(real, running[0]) == end(model, running[1])
            running = None
        rows = sorted(Gap.objects.values_list("first_id", "last_id", "status"))
        assert rows == sorted((gap.first_id, gap.last_id, str(gap.status)) for gap in postgres.gaps.values()), operation
        jobs = sorted(RecoveryJob.objects.values_list("first_id", "last_id", "status", "attempts"))
        assert jobs == sorted((j.first_id, j.last_id, str(j.status), j.attempts) for j in model.rows.values()), (
            operation
        )
    assert claims


@pytest.mark.parametrize("seed", range(6))
def test_the_store(world: World, clickhouse: ClickHouse, seed: int) -> None:
    chance = random.Random(seed)
    model = Store(world, StoreWeather())
    model.at_once = True
    stores: tuple[Any, Any] = clickhouse, model
    for number in range(20):
        epoch, claim, start = chance.randrange(1, 5), chance.randrange(1, 4), chance.randrange(40)
        ids = range(start, start + chance.randrange(1, 6))
        rows = columns_of([trade(each, SYMBOL, ms=EPOCH_MS + each) for each in ids])
        # What was sent under a token was the same each time.
        token = f"{chance.randrange(4)}:{ids}"
        one: dict[str, Any] = {"shard": SHARD, "epoch": epoch}
        method, arguments = chance.choice(
            (
                ("insert_trades", {"trades": rows, "token": token, "query_id": f"q{number}", **one}),
                ("insert_repair", {"trades": rows, "token": token, "claim": claim, "part": number, **one}),
                ("raise_epoch", one),
                ("kill_inserts", {"shard": SHARD, "below_epoch": epoch}),
                ("revoke_claim", {"claim": claim, "shard": SHARD}),
                ("epoch_of", {"shard": SHARD}),
            )
        )
        answers = []
        for store in stores:
            try:
                answers.append(getattr(store, method)(**arguments))
            except ClickHouseError as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
    for name, params in (
        ("frontier", {"symbols": [SYMBOL, "ETHUSDT"], "days": 2}),
        ("stored_ids", {"symbol": SYMBOL, "first_id": 3, "last_id": 33}),
        ("missing_ranges", {"symbol": SYMBOL, "first_id": 2, "last_id": 50}),
    ):
        assert sorted(map(tuple, clickhouse.query(name, **params))) == sorted(model.query(name, **params)), name
    newest = [
        [(row[0], row[4]) for row in store.query("trades_from_id", symbol=SYMBOL, from_id=9, limit=3)]
        for store in stores
    ]
    assert newest[0] == newest[1]
