"""What went by on the streams comes back by itself, exactly once, and the boundary is on record."""

from __future__ import annotations

import psutil

from collectors.models import Gap, StreamBoundary
from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus, RecoveryJob
from tests.integrity.farm import StartCollectors, StartExchange, started, wait_until_whole
from tests.waiting import wait_until


def test_what_a_killed_worker_had_in_memory_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=30, rate=4000)
    psutil.Process(collectors.statuses()[0].pid).kill()
    wait_until(lambda: Gap.objects.exists(), 30, "gaps")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 8000, 30, "collection to go on")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert StreamBoundary.objects.filter(verdict="gap", cause="restart").exists()
    assert not RecoveryJob.objects.exclude(status=JobStatus.DONE).exists()


def test_what_a_muted_connection_left_out_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=10, rate=1000)
    exchange.fault("mute")
    wait_until(
        lambda: collectors.total("reconnects") > 0 or collectors.total("connections") > 2, 30, "it to be noticed"
    )
    exchange.delete("/simulator/faults")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 3000, 30, "trades again")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert StreamBoundary.objects.exclude(verdict="first").exists()


def test_what_a_half_open_connection_left_out_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=10, rate=1000)
    exchange.fault("half_open")
    wait_until(lambda: collectors.total("reconnects") > 0, 30, "it to be noticed")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 3000, 30, "trades again")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert StreamBoundary.objects.filter(cause="reconnect").exists()


def test_skipped_ids_come_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=5, rate=500)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        exchange.fault("skip", symbol=symbol, count=37)
    wait_until(lambda: Gap.objects.count() >= 2, 30, "gaps")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert sum(RecoveryJob.objects.values_list("rows_stored", flat=True)) == 74
    assert collectors.stop() == 0
