"""One of two hosts is cut off for longer than its lease, and comes back: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from django.db import connection

from collectors.directory import wanted_symbols
from collectors.models import ShardLease
from dataprovider.clickhouse import ClickHouse, StaleEpoch
from dataprovider.clickhouse.shards import shard_of
from tests.clickhouse.proxy import proxy_to
from tests.clickhouse.trades import Row, columns
from tests.collectors.cables import Cables, machine, through
from tests.fixtures_collectors import ROOT, RunningCollectors, database_url
from tests.fixtures_exchange import RunningExchange
from tests.integrity.farm import wait_until_whole
from tests.waiting import wait_until

StartCollectors = Callable[..., RunningCollectors]


@dataclass
class Two:
    """Two hosts that share the shards of a market; one of them can be cut off."""

    exchange: RunningExchange
    one: RunningCollectors
    other: RunningCollectors
    cables: Cables

    def shards(self, collectors: RunningCollectors) -> set[int]:
        """What Postgres says that a host holds."""
        held = ShardLease.objects.filter(owner__contains=f":{collectors.process.pid}:")
        return set(held.values_list("shard", flat=True))

    def written(self, collectors: RunningCollectors) -> set[int]:
        """What its workers say that they write."""
        return {shard for each in collectors.statuses() for shard in each.shards}

    def wait_until_shared(self, seconds: float) -> None:
        """Each has eight, and writes them."""

        def shared() -> bool:
            mine, yours = self.written(self.one), self.written(self.other)
            return (len(mine), len(yours)) == (8, 8) and (mine, yours) == (
                self.shards(self.one),
                self.shards(self.other),
            )

        wait_until(shared, seconds, "both hosts to write eight shards each")

    def wait_until_subscribed(self, *collectors: RunningCollectors) -> None:
        """These together have subscribed to every symbol."""
        wanted = sum(map(len, wanted_symbols().values()))
        wait_until(lambda: sum(each.total("subscribed") for each in collectors) == wanted, 20, "every symbol")

    def wait_until_taken_over(self) -> None:
        """The other one writes everything."""
        wait_until(lambda: len(self.written(self.other)) == 16, 40, "the other host to take over")
        self.wait_until_subscribed(self.other)


StartTwo = Callable[..., Two]


@pytest.fixture
def start_two(start_exchange: Callable[..., RunningExchange], start_collectors: StartCollectors) -> Iterator[StartTwo]:
    with ExitStack() as stack:

        def start(*, listen: str = "127.0.0.1", prefix: tuple[str, ...] = ()) -> Two:
            exchange = start_exchange(symbols=40, rate=500, paused=True)
            cables = Cables(exchange, stack, listen=listen)
            # The one that stays has recovery, too.
            other = start_collectors(exchange, workers=1, home="other", RECOVERY_WORKERS="1", INTEGRITY_INTERVAL="20")
            one = start_collectors(exchange, workers=1, home="one", prefix=prefix, **cables.variables)
            two = Two(exchange, one, other, cables)
            two.wait_until_shared(40)
            two.wait_until_subscribed(one, other)
            exchange.post("/simulator/start")
            wait_until(lambda: min(one.total("stored"), other.total("stored")) > 500, 20, "trades of both")
            return two

        yield start


def survives(two: Two, clickhouse: ClickHouse, cut: Callable[[], None], mend: Callable[[], None]) -> None:
    """One host is cut off until the other has its shards, and a while longer; then it is back."""
    mine = two.shards(two.one)
    before = epochs()
    cut()
    try:
        two.wait_until_taken_over()
        taken_over = epochs()
        assert {shard for shard in before if taken_over[shard] > before[shard]} == mine
        received = two.other.total("received")
        wait_until(lambda: two.other.total("received") > received + 1000, 20, "two more seconds")
    finally:
        mend()
    two.wait_until_shared(40)
    # What the host wrote under before it was cut off is refused from now on, whatever it may still hold.
    assert all(clickhouse.epoch_of(shard) > before[shard] for shard in mine)
    # That a shard is its host's own is written first, and then made known where it is stored.
    wait_until(lambda: all(clickhouse.epoch_of(shard) == epochs()[shard] for shard in mine), 10, "the newest epochs")
    late = columns([Row(1, symbol=symbol_of(mine))])
    shard = shard_of(symbol_of(mine))
    with pytest.raises(StaleEpoch):
        clickhouse.insert_trades(late, token="late", shard=shard, epoch=before[shard], query_id=f"{shard}:0:1")
    received = two.one.total("received")
    wait_until(lambda: two.one.total("received") > received + 500, 20, "it to collect again")
    two.exchange.post("/simulator/stop")
    # As many symbols as that take more than one minute of REST weight.
    wait_until_whole(two.exchange, clickhouse, 400)
    assert "has a new owner: it is let go" in two.one.log.read_text()
    assert [two.one.stop(), two.other.stop()] == [0, 0]


def epochs() -> dict[int, int]:
    return dict(ShardLease.objects.values_list("shard", "epoch"))


def symbol_of(shards: set[int]) -> str:
    """A name that belongs to one of them."""
    return next(name for name in (f"CUT{n}USDT" for n in range(1000)) if shard_of(name) in shards)


def test_a_host_without_postgres_loses_its_shards_and_gets_its_part_again(
    start_two: StartTwo, clickhouse: ClickHouse
) -> None:
    two = start_two()
    survives(two, clickhouse, two.cables.postgres.hold, two.cables.postgres.let_go)


def test_a_host_without_anything_loses_its_shards_and_gets_its_part_again(
    start_two: StartTwo, clickhouse: ClickHouse
) -> None:
    two = start_two()

    def cut() -> None:
        for proxy in two.cables.all:
            proxy.hold()

    def mend() -> None:
        for proxy in two.cables.all:
            proxy.let_go()

    survives(two, clickhouse, cut, mend)


def test_a_machine_whose_cable_is_out_loses_its_shards_and_gets_its_part_again(
    start_two: StartTwo, clickhouse: ClickHouse
) -> None:
    with machine() as there:
        two = start_two(listen=there.here, prefix=tuple(there.prefix))
        survives(two, clickhouse, there.unplug, there.plug_in)


@pytest.mark.django_db(transaction=True)
def test_what_waits_for_postgres_behind_a_cable_that_is_out_gives_up() -> None:
    """Whether the question got through and the answer does not, or neither."""
    with machine() as there, ExitStack() as stack:
        url, _ = through(
            database_url(), lambda host, port: stack.enter_context(proxy_to(host, port, listen=there.here))
        )
        process = subprocess.Popen(
            [*there.prefix, sys.executable, "-m", "tests.collectors.silence"],
            cwd=ROOT,
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "asked\n"
            there.unplug()
            said, _ = process.communicate("now\n", timeout=60)
        finally:
            process.kill()
            process.wait()
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE query LIKE 'SELECT pg_sleep%%' AND pid <> pg_backend_pid()"
                )
    for how, seconds in json.loads(said).items():
        assert 5 < seconds < 30, how
