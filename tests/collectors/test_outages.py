"""Workers, ClickHouse and Postgres die or hang in the middle: nothing is lost, or a gap says exactly what."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from django.db import connection

from dataprovider.clickhouse import ClickHouse
from dataprovider.embedded import ServiceStack
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, gap_ids, missing_ids, sent_gap_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]


@contextmanager
def paused(pid: int) -> Iterator[None]:
    """The process hangs: it holds its connections and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        # A thread that has the processor goes on until it hears of it.
        wait_until(lambda: states(pid) == {"T"}, 10, "every thread to stop")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def states(pid: int) -> set[str]:
    """What the threads of a process are doing, as /proc/PID/task/TID/stat says it."""
    return {
        task.joinpath("stat").read_text().rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").iterdir()
    }


def service_pid(stack: ServiceStack, name: str) -> int:
    """The service itself, below what it was started with."""
    pid = stack.services[name].pid
    assert pid is not None
    return pid


def test_a_killed_worker_leaves_gaps_that_say_exactly_which_ids(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=40, rate=4000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 4000, 30, "4,000 stored trades")
    victim = collectors.statuses()[0]
    psutil.Process(victim.pid).kill()

    def replaced() -> bool:
        return any(each.worker == victim.worker and each.pid != victim.pid for each in collectors.statuses())

    wait_until(replaced, 15, "a new worker in its place")
    wait_until(lambda: collectors.total("received") > 8000, 20, "collection to go on")
    exchange.post("/simulator/stop")
    # Quiet symbols get their verdict from the exchange, a few seconds later.
    wait_until(
        lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange) != {}, 60, "gaps that name them"
    )
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
    assert "ended with status -9" in collectors.log.read_text()


def test_clickhouse_that_hangs_costs_nothing(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=40, rate=4000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 4000, 30, "4,000 stored trades")
    with paused(service_pid(service_stack, "clickhouse")):
        received = collectors.total("received")
        wait_until(lambda: collectors.total("received") > received + 20_000, 30, "20,000 more trades")
        assert all(each.storage_delay_ms > 2500 for each in collectors.statuses())
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 60, "everything to be stored")
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
    assert gap_ids() == {}
    wait_until(lambda: collectors.total("storage_delay_ms") == 0, 10, "the storage delay to be over")


def test_clickhouse_that_dies_costs_nothing_and_the_spool_survives_the_collectors(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=40, rate=4000)
    first = start_collectors(exchange)
    wait_until(lambda: first.total("stored") > 4000, 30, "4,000 stored trades")
    os.kill(service_pid(service_stack, "clickhouse"), signal.SIGKILL)
    wait_until(lambda: first.total("spooled_batches") > 20, 30, "batches on disk")
    exchange.post("/simulator/stop")
    # What is in memory at this moment goes to disk, and the next start stores it: status 0 says that nothing is lost.
    assert first.stop() == 0
    assert list((first.home / "spool").glob("*.batch"))
    wait_until(lambda: service_stack.check() or clickhouse_answers(clickhouse), 20, "ClickHouse to be back")
    wait_until(lambda: clickhouse_answers(clickhouse), 20, "ClickHouse to answer")
    start_collectors(exchange)
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 60, "everything to be stored")
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
    wait_until(lambda: not list((first.home / "spool").glob("*.batch")), 10, "an empty spool")
    assert gap_ids() == {}


def clickhouse_answers(clickhouse: ClickHouse) -> bool:
    from dataprovider.clickhouse import ClickHouseError

    try:
        return clickhouse.query("total_rows") is not None
    except ClickHouseError:
        return False


def test_postgres_away_does_not_stop_collection(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 2000, 60, "2,000 stored trades")
    with paused(service_pid(service_stack, "postgres")):
        stored = collectors.total("stored")
        wait_until(lambda: collectors.total("stored") > stored + 6000, 30, "6,000 more stored trades")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 30, "everything to be stored")
    assert gap_ids() == {}


def test_gaps_that_are_found_while_postgres_is_down_are_written_when_it_is_back(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=5, rate=500)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 500, 30, "500 stored trades")
    os.kill(service_pid(service_stack, "postgres"), signal.SIGKILL)
    connection.close()
    wait_until(lambda: "Postgres is away" in collectors.log.read_text(), 20, "the supervisor to miss Postgres")
    exchange.fault("skip", symbol="BTCUSDT", count=7)
    wait_until(lambda: collectors.total("gaps") > 0, 20, "a gap to be found")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 2000, 30, "4 s, in which Postgres is asked in vain")
    # What is said of the others was left over by the tests before.
    wait_until(
        lambda: any((event.service, event.what) == ("postgres", "back") for event in service_stack.check()),
        60,
        "Postgres to be back",
    )
    wait_until(lambda: {name: len(ids) for name, ids in gap_ids().items()} == {"BTCUSDT": 7}, 20, "a gap of 7 ids")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == gap_ids(), 20, "the rest to be stored")


def test_sigterm_drains_in_time_while_postgres_hangs(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 2000, 60, "2,000 stored trades")
    with paused(service_pid(service_stack, "postgres")):
        exchange.post("/simulator/stop")
        assert collectors.stop(seconds=10) == 0
    assert missing_ids(clickhouse, exchange.sent) == {}


def test_a_worker_that_hangs_is_replaced_and_does_no_harm_when_it_wakes_up(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 2000, 60, "2,000 stored trades")
    victim = collectors.statuses()[0]
    os.kill(victim.pid, signal.SIGSTOP)

    def replaced() -> bool:
        return any(each.worker == victim.worker and each.pid != victim.pid for each in collectors.statuses())

    wait_until(replaced, 40, "a new worker in its place")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 3000, 20, "collection to go on")
    exchange.post("/simulator/stop")
    wait_until(
        lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange) != {}, 60, "gaps that name them"
    )
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}


def test_valkey_away_does_not_stop_collection(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 2000, 60, "2,000 stored trades")
    with paused(service_pid(service_stack, "valkey")):
        before = clickhouse.query("total_rows")[0][0]
        wait_until(lambda: clickhouse.query("total_rows")[0][0] > before + 6000, 30, "6,000 more stored trades")
    back_ms = time.time() * 1000
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 30, "everything to be stored")
    wait_until(
        lambda: {each.worker for each in collectors.statuses() if each.updated_ms > back_ms} == {0, 1}, 10, "news"
    )
    assert collectors.stop() == 0
