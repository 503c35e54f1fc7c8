"""Failures 5 and 6 of the original: an insert whose answer does not come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import Pipe
from pathlib import Path

import pytest
from django.conf import settings

from collectors.messages import Assignment, ShardAssignment, WorkerSettings
from collectors.worker import Worker
from dataprovider.clickhouse import Address, ClickHouse
from dataprovider.embedded import ServiceStack
from tests.clickhouse.proxy import Proxy, proxy_to
from tests.clickhouse.trades import stored
from tests.collectors.test_outages import paused, service_pid
from tests.fixtures_collectors import stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.nodes import address_of, service_of
from tests.regressions.collecting import SHARD, SYMBOL, Collecting, trades
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]

#: An insert has its sample block before so many bytes went to ClickHouse, and has not sent all its rows.
IN_THE_MIDDLE = 20_000


@pytest.fixture
def proxy(clickhouse: ClickHouse) -> Iterator[Proxy]:
    with proxy_to(address_of(clickhouse).host, address_of(clickhouse).port) as proxy:
        yield proxy


@pytest.fixture
def behind_proxy(clickhouse: ClickHouse, proxy: Proxy) -> Address:
    return replace(address_of(clickhouse), host="127.0.0.1", port=proxy.port)


@pytest.fixture
def shaky(behind_proxy: Address) -> Iterator[ClickHouse]:
    """ClickHouse over a network that can lose an answer, given up after a second."""
    client = ClickHouse(behind_proxy, pool_size=2, connect_timeout=0.5, timeout=1.0)
    yield client
    client.close()


def test_a_stop_while_no_insert_is_acknowledged_loses_nothing(
    start_exchange: StartExchange, clickhouse: ClickHouse, proxy: Proxy, behind_proxy: Address, tmp_path: Path
) -> None:
    """Failure 5 of the original: shutdown in the middle of an insert; 5,000 received, 0 acknowledged, 5,000 lost."""
    exchange = start_exchange(symbols=1, rate=5000, paused=True)
    ours, workers_end = Pipe()
    worker = Worker(
        WorkerSettings(
            owner="test",
            worker=0,
            store=(behind_proxy,),
            redis_url=settings.CONFIG.redis_url,
            egress="default",
            rest_url=exchange.url,
            stream_url=exchange.ws_url,
            home=tmp_path,
            buffer_max_rows=10**6,
            spool_max_bytes=10**9,
            symbols_per_connection=200,
            connect_interval=1.0,
            connect_burst=5,
        ),
        workers_end,
    )
    kept: list[bool] = []
    thread = threading.Thread(target=lambda: kept.append(worker.run()))
    thread.start()
    try:
        ours.send(Assignment({SHARD: ShardAssignment(1, frozenset({SYMBOL}))}))
        wait_until(lambda: worker.status().subscribed == 1, 20, "the subscription")
        proxy.lose_answers_after = IN_THE_MIDDLE
        exchange.post("/simulator/start")
        # The first insert is in the table and nobody is told so: whatever comes after it waits in memory.
        wait_until(lambda: stored(clickhouse), 20, "the first insert")
        before = worker.status().received
        wait_until(lambda: worker.status().received >= before + 5000, 20, "5,000 more trades")
        exchange.post("/simulator/stop")
    finally:
        worker.stop()
        thread.join(10)
        ours.close()
        workers_end.close()
    assert not thread.is_alive()
    assert (kept, worker.status().stored) == ([True], 0)
    sent = exchange.sent[SYMBOL]
    assert sent["count"] - stored(clickhouse) >= 5000
    # The next owner of the shard stores what is on disk, and once what had arrived without an answer.
    successor = Collecting(clickhouse, tmp_path, epoch=2)
    successor.writer.stop()
    assert stored_ids(clickhouse, SYMBOL) == list(range(sent["first_id"], sent["last_id"] + 1))


def test_a_stop_while_clickhouse_hangs_loses_nothing_and_its_late_insert_stores_nothing_twice(
    clickhouse: ClickHouse, service_stack: ServiceStack, tmp_path: Path
) -> None:
    """Failure 5 of the original: the insert of 5,000 trades that was given up may arrive after all, once more."""
    own = ClickHouse(address_of(clickhouse), pool_size=2)
    live = Collecting(clickhouse, tmp_path, store=own)
    live.receive(trades(1, 10))
    live.flush()
    with paused(service_pid(service_stack, service_of(clickhouse))):
        live.receive(trades(11, 2510))
        live.submit()
        live.receive(trades(2511, 5010))
        live.submit()
        assert not live.writer.drain(0.3)
        assert live.writer.stop(0.3)
        assert (live.writer.stored, live.lost) == (10, [])
    successor = Collecting(clickhouse, tmp_path, epoch=2)
    successor.writer.stop()
    # The last word of the insert that was under way.
    thread = live.writer._lanes[0].thread
    assert thread is not None
    thread.join(20)
    own.close()
    assert stored_ids(clickhouse, SYMBOL) == list(range(1, 5011))
    assert successor.suspects == []


def test_a_retry_after_a_time_out_stores_the_batch_once(
    clickhouse: ClickHouse, proxy: Proxy, shaky: ClickHouse, tmp_path: Path
) -> None:
    """Failure 6 of the original: a retry after a time-out stored the batch twice, and the volume doubled."""
    live = Collecting(clickhouse, tmp_path, store=shaky)
    proxy.lose_answers_after = IN_THE_MIDDLE
    live.receive(trades(1, 1000))
    live.submit()
    wait_until(lambda: len(stored_ids(clickhouse, SYMBOL)) == 1000, 10, "the rows to be in the table")
    wait_until(lambda: live.writer.away, 10, "the time-out")
    assert live.writer.stored == 0
    proxy.lose_answers_after = None
    assert live.writer.drain(20)
    live.writer.stop()
    assert live.writer.stored == 1000
    assert stored_ids(clickhouse, SYMBOL) == list(range(1, 1001))
    minutes = clickhouse.query("symbol_minutes", symbol=SYMBOL, since=0, until=2**32 - 1)
    assert sum(int(row[1]) for row in minutes) == 1000
    rows = clickhouse.query("trades_from_id", symbol=SYMBOL, from_id=0, limit=5000)
    assert sum(int(row[2]) for row in rows) == sum(each.quantity for each in trades(1, 1000))


def test_the_retries_are_the_same_insert(clickhouse: ClickHouse, tmp_path: Path) -> None:
    """Failure 6 of the original: what makes it so is one token for a batch, however often it is tried."""
    live = Collecting(clickhouse, tmp_path)
    live.writer.stop()
    live.receive(trades(1, 1000))
    (batch,) = live.ingest.seal_due(0.0, max_age=-1e12)
    for _ in range(3):
        clickhouse.insert_trades(batch.columns, token=batch.token, shard=SHARD, epoch=1, query_id=batch.token)
    assert stored_ids(clickhouse, SYMBOL) == list(range(1, 1001))
