"""A contract's first trade, which nothing bears out yet, is not lost with the worker that holds it."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest
from django.conf import settings
from redis import Redis

from collectors.binance.rest import Rest
from collectors.binance.weight import Priority, WeightBudget, patience
from collectors.books import Books
from collectors.boundarycheck import SILENT_SECONDS, SYMBOLS_PER_ROUND, Answers, Questions, ask
from collectors.continuity import Cause
from collectors.custody import Custody, Means
from collectors.ingest import LOOK_BACK_SECONDS
from collectors.management.commands.runcollectors import worker_settings
from collectors.messages import UNPROVED, GapFound, Report, ShardAssignment
from collectors.spool import Spool
from collectors.supervisor import Supervisor
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from tests.collectors.trades import trade
from tests.fixtures_collectors import stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

SHARD = 11  # BTCUSDT's
FIRST = GapFound("BTCUSDT", 500, 500, "restart", evidence={UNPROVED: True}, epoch=1)


@pytest.fixture
def now() -> list[float]:
    """The time, for a test to move."""
    return [100.0]


@pytest.fixture
def custody(clickhouse: ClickHouse, tmp_path: Path, now: list[float]) -> Iterator[Custody]:
    """A worker's, which collects BTCUSDT, of which nothing is stored, and has received its first trade."""
    found = Custody(clickhouse, Spool(tmp_path, 10**9), Means(steady=lambda: now[0]), max_rows=10_000)
    found.writer.start()
    found.keeper.assign({SHARD: ShardAssignment(1, frozenset({"BTCUSDT"}))})
    wait_until(lambda: found.keeper.step(now[0]) or found.keeper.active, 20, "the shard to be opened")
    found.ingest.add([trade(500)], now[0])
    yield found
    found.keeper.stop()
    found.writer.stop()


def test_until_it_is_borne_out_every_report_names_it(custody: Custody, now: list[float]) -> None:
    custody.note(now[0])
    assert (custody.report().held_back, custody.report().gaps) == ([FIRST], [])
    custody.ingest.add([trade(501)], now[0])
    custody.note(now[0])
    assert (custody.report().held_back, custody.report().gaps) == ([], [])
    assert custody.ingest.duplicates == 0


def test_the_exchange_is_asked_for_one_that_stays_alone_and_what_it_has_is_stored(
    custody: Custody, clickhouse: ClickHouse, now: list[float]
) -> None:
    assert not custody.questions(now[0] + SILENT_SECONDS - 0.1)
    questions = custody.questions(now[0] + SILENT_SECONDS)
    assert questions == Questions({}, {"BTCUSDT": 500})
    custody.learn(Answers(firsts={"BTCUSDT": (500, True), "NOSUCH": (1, True)}), now[0] + 6)
    custody.seal(now[0] + 60)
    wait_until(lambda: stored_ids(clickhouse, "BTCUSDT") == [500], 10, "the trade to be stored")
    assert not custody.questions(now[0] + 60)
    custody.note(now[0] + 60)
    (boundary,) = custody.report().boundaries
    assert (boundary.verdict, boundary.first_after) == ("first", 500)


def test_what_nobody_bears_out_for_a_minute_is_a_gap(custody: Custody, now: list[float]) -> None:
    custody.note(now[0] + 59.9)
    assert custody.report().gaps == []
    custody.note(now[0] + 60)
    assert custody.report() == Report({SHARD: 1}, {}, [FIRST])
    custody.note(now[0] + 61)
    assert custody.report().gaps == []


def test_at_a_stop_it_is_a_gap(custody: Custody, now: list[float]) -> None:
    custody.note(now[0])
    assert custody.hand_over(now[0], lambda: custody.writer.drain(5.0))
    report = custody.report()
    assert (report.gaps, report.held_back) == ([FIRST], [])


def test_when_its_shard_is_let_go_it_is_a_gap(custody: Custody, now: list[float]) -> None:
    custody.keeper.assign({})
    wait_until(lambda: custody.keeper.step(now[0]) or not custody.keeper.held(), 10, "the shard to be let go")
    assert custody.report().gaps == [FIRST]


def test_whoever_lost_its_shard_to_another_owner_says_nothing_of_it(custody: Custody, now: list[float]) -> None:
    """The other one may be about to store it."""
    custody.note(now[0])
    custody.keeper.is_stale(SHARD, 1)
    custody.keeper.step(now[0])
    custody.note(now[0])
    assert (custody.report().gaps, custody.report().held_back) == ([], [])


def test_the_next_owner_asks_for_what_went_by_unseen_before_a_contract_began(
    clickhouse: ClickHouse, tmp_path: Path, now: list[float]
) -> None:
    """BTCUSDT had an owner, ETHUSDT's stream breaks, and of both nothing is stored."""
    clickhouse.raise_epoch(SHARD, 1)
    found = Custody(clickhouse, Spool(tmp_path, 10**9), Means(steady=lambda: now[0]), max_rows=10_000)
    shards = {shard_of(symbol): frozenset({symbol}) for symbol in ("BTCUSDT", "ETHUSDT")}
    assert len(shards) == 2
    found.keeper.assign({shard: ShardAssignment(2, symbols) for shard, symbols in shards.items()})
    wait_until(lambda: (found.keeper.step(now[0]), len(found.keeper.active))[1] == 2, 20, "the shards to be opened")
    assert found.questions(now[0] + SILENT_SECONDS).starts == {"BTCUSDT": SILENT_SECONDS + LOOK_BACK_SECONDS}
    now[0] += 50
    found.ingest.interrupted(["ETHUSDT", "BTCUSDT"], Cause.RECONNECT, now[0])
    assert not found.questions(now[0] + SILENT_SECONDS - 0.1).starts
    starts = found.questions(now[0] + SILENT_SECONDS).starts
    assert starts == {"BTCUSDT": 55 + LOOK_BACK_SECONDS, "ETHUSDT": 55}
    found.learn(Answers(starts={"BTCUSDT": (500, 502), "ETHUSDT": None}), now[0])
    assert not found.questions(now[0] + SILENT_SECONDS).starts
    found.note(now[0] + 2)
    (gap,) = found.report().gaps
    assert gap == GapFound("BTCUSDT", 500, 502, "restart", epoch=2)
    # What has begun can be judged by its ids.
    found.ingest.add([trade(503)], now[0] + 3)
    found.ingest.interrupted(["BTCUSDT"], Cause.RECONNECT, now[0] + 4)
    assert not found.questions(now[0] + 60).starts
    found.keeper.stop()


def test_when_its_worker_dies_it_is_a_gap() -> None:
    redis = Redis.from_url(settings.CONFIG.redis_url)
    # Postgres is not asked here.
    own = [worker_settings(settings.CONFIG, "host:1:2-3", 0, 1)]
    supervisor = Supervisor("host:1:2-3", cast(Books, None), own, lambda: None, redis)
    (worker,) = supervisor._workers
    worker.process = process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(60,))
    process.start()
    worker.link, far = multiprocessing.Pipe()
    for held_back in ([GapFound("ETHUSDT", 1, 1, "restart")], [FIRST]):
        far.send(Report({}, {}, [], held_back=held_back))
    supervisor._hear(worker)
    assert supervisor._placing.gaps == []
    process.kill()
    process.join()
    supervisor._tend_processes(time.monotonic())
    assert supervisor._placing.gaps == [FIRST]
    far.close()
    redis.close()


def test_the_exchange_says_which_ids_it_has(
    start_exchange: Callable[..., RunningExchange], clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=3, rate=100, look_back_hours=1, paused=True)
    redis = Redis.from_url(settings.CONFIG.redis_url)
    rest = Rest(exchange.url, WeightBudget(redis, exchange.url), Priority.LIVE, patience(20))
    newest = rest.last_aggregate_id("BTCUSDT")
    assert newest is not None
    for aggregate_id, real in ((newest, True), (newest - 1, True), (newest + 1, False), (10**14, False), (3, False)):
        answers = ask(rest, clickhouse, Questions({}, {"NOSUCHUSDT": 5, "BTCUSDT": aggregate_id}))
        assert (answers.firsts, answers.newest_ids) == ({"BTCUSDT": (aggregate_id, real)}, {}), aggregate_id
    page = rest.agg_trades_between("BTCUSDT", (now_ms := rest.server_time_ms()) - 60_000, now_ms)
    assert len(page) > 1
    starts = ask(rest, clickhouse, Questions({}, {}, {"NOSUCHUSDT": 9.0, "BTCUSDT": 5.0, "ETHUSDT": 0.001})).starts
    assert starts["NOSUCHUSDT"] is None
    assert starts["ETHUSDT"] is None
    assert starts["BTCUSDT"] is not None
    first, last = starts["BTCUSDT"]
    assert page.aggregate_id[0] <= first < last == newest
    many = {f"NOSUCH{number}": 5 for number in range(SYMBOLS_PER_ROUND)}
    assert ask(rest, clickhouse, Questions({}, {**many, "BTCUSDT": newest})).firsts == {}
    redis.close()
