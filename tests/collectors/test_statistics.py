"""The line of the log that says how everything stands."""

from __future__ import annotations

from collectors.statistics import statistics
from dataprovider.heartbeat import WorkerStatus


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
