"""A stop takes ten seconds at most, and the exit status says whether anything that was received is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from dataprovider.clickhouse import ClickHouse
from dataprovider.embedded import ServiceStack
from tests.collectors.test_outages import paused, service_pid
from tests.fixtures_collectors import RunningCollectors, gap_ids, missing_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]


@contextmanager
def every_node_paused(stack: ServiceStack) -> Iterator[None]:
    """No ClickHouse node answers."""
    with ExitStack() as all_of_them:
        for name in stack.services:
            if name.startswith("clickhouse"):
                all_of_them.enter_context(paused(service_pid(stack, name)))
        yield


def test_what_neither_table_nor_full_spool_could_take_is_a_status_of_1(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=20, rate=5000)
    collectors = start_collectors(exchange, workers=1, SPOOL_MAX_BYTES="1000000", BUFFER_MAX_ROWS="10000")
    wait_until(lambda: collectors.total("stored") > 5000, 30, "5,000 stored trades")
    with every_node_paused(service_stack):
        wait_until(lambda: collectors.total("gaps") > 0, 40, "a full spool")
        assert collectors.stop(seconds=10) == 1
    exchange.post("/simulator/stop")
    # What was lost before the stop is a gap already; nothing is written down twice or invented.
    missing, named = missing_ids(clickhouse, exchange.sent), gap_ids()
    assert named
    assert all(ids <= missing.get(symbol, set()) for symbol, ids in named.items())


def test_a_worker_that_hangs_holds_up_no_stop_and_is_a_status_of_1(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 2000, 30, "2,000 stored trades")
    os.kill(collectors.statuses()[0].pid, signal.SIGSTOP)
    assert collectors.stop(seconds=10) == 1
