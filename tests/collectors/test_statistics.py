"""The line of the log that says how everything stands."""

from __future__ import annotations

from collections.abc import Callable

from collectors.statistics import statistics
from dataprovider.heartbeat import WorkerStatus
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until


def test_the_log_is_told_how_everything_stands() -> None:
    workers = [
        WorkerStatus("alpha:1:a", 0, 7, [0], 150, 150, trades_per_s=600.4, lag_ms=20.0, storage_delay_ms=900),
        WorkerStatus("alpha:1:a", 1, 8, [1], 150, 149, buffered_rows=1200, spooled_batches=2, storage_delay_ms=1500),
    ]
    told = (
        "Statistics: 299 of 300 contracts received by 2 workers, 600 trades/s, lag 20 ms, storage delay 1,500 ms, "
        "1,200 trades in memory, 2 batches on disk, 1 gap open, 50.0 % of the disk free."
    )
    assert statistics(workers, 1, 50.0) == told
    away = "Statistics: what workers do is not known, Valkey is away, Postgres is away, 50.0 % of the disk free."
    assert statistics(None, -1, 50.0) == away


def test_a_farm_says_so_now_and_then(
    start_exchange: Callable[..., RunningExchange], start_collectors: Callable[..., RunningCollectors]
) -> None:
    collectors = start_collectors(start_exchange(symbols=4, rate=100), SYSTEM_STATS_INTERVAL_SECONDS="1")
    said = "Statistics: 4 of 4 contracts received by 2 workers, "
    wait_until(lambda: said in collectors.log.read_text(), 30, "the statistics of a farm that collects")
    (line, *_) = [line for line in collectors.log.read_text().splitlines() if said in line]
    assert " batches on disk, 0 gaps open, " in line
    assert line.endswith(" % of the disk free.")
    told = collectors.log.read_text().count("Statistics: ")
    wait_until(lambda: collectors.log.read_text().count("Statistics: ") > told, 10, "the next line")
