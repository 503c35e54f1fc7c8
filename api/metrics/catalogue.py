"""Every metric there is: its name, kind, unit and meaning. What is not listed here is not exported.

Names follow Prometheus' own conventions: a base unit as the suffix (seconds, bytes, ratio), `_total` for counters.
Counters of a worker begin anew with its process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """One name. A counter's name is written here without the `_total` that it is exported with."""

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    labels: Sequence[str] = ()


_WORKER = ("owner", "worker")

UP = Metric("dataprovider_service_up", "gauge", "1 when the service answers the web process, 0 when not.", ["service"])

WORKERS = Metric("dataprovider_collector_workers", "gauge", "Collector processes whose heartbeat is fresh.")
SHARDS_HELD = Metric("dataprovider_shards_held", "gauge", "Of the sixteen shards, those that a worker carries.")
WORKER_SYMBOLS = Metric("dataprovider_worker_symbols", "gauge", "Contracts that it is to collect.", _WORKER)
WORKER_SUBSCRIBED = Metric("dataprovider_worker_subscribed", "gauge", "Contracts whose stream is open.", _WORKER)
WORKER_QUIET = Metric("dataprovider_worker_quiet_symbols", "gauge", "Contracts without a trade for long.", _WORKER)
WORKER_CONNECTIONS = Metric("dataprovider_worker_connections", "gauge", "Open connections to the exchange.", _WORKER)
WORKER_RECEIVED = Metric("dataprovider_worker_trades_received", "counter", "Trades read from streams.", _WORKER)
WORKER_STORED = Metric("dataprovider_worker_trades_stored", "counter", "Trades that ClickHouse acknowledged.", _WORKER)
WORKER_DUPLICATES = Metric("dataprovider_worker_trades_seen_before", "counter", "Trades that were dropped.", _WORKER)
WORKER_DEAD = Metric("dataprovider_worker_dead_letters", "counter", "Messages that could not be read.", _WORKER)
WORKER_GAPS = Metric("dataprovider_worker_gaps", "counter", "Gaps that it found.", _WORKER)
WORKER_RECONNECTS = Metric("dataprovider_worker_reconnects", "counter", "Connections opened again.", _WORKER)
WORKER_BUFFERED = Metric("dataprovider_worker_buffered_trades", "gauge", "Trades in memory, not stored yet.", _WORKER)
WORKER_SPOOLED = Metric("dataprovider_worker_spooled_batches", "gauge", "Batches on disk, not stored yet.", _WORKER)
WORKER_RATE = Metric("dataprovider_worker_trades_per_second", "gauge", "Trades a second, of the last seconds.", _WORKER)
WORKER_LAG = Metric(
    "dataprovider_worker_lag_seconds", "gauge", "From the exchange's event time to its handling, smoothed.", _WORKER
)
WORKER_DELAY = Metric(
    "dataprovider_worker_storage_delay_seconds",
    "gauge",
    "Since the oldest trade was received that is not in ClickHouse yet; 0: none waits.",
    _WORKER,
)

SYMBOLS = Metric("dataprovider_symbols", "gauge", "Contracts by the state of their collection.", ["state"])
GAPS = Metric("dataprovider_gaps", "gauge", "Gaps that are not closed, by status.", ["status"])
MISSING = Metric("dataprovider_missing_ids", "gauge", "Aggregate ids that these gaps name.")
OLDEST_GAP = Metric("dataprovider_oldest_gap_age_seconds", "gauge", "Since the oldest of them was opened; 0: none.")
JOBS = Metric("dataprovider_recovery_jobs", "gauge", "Recovery jobs by status.", ["status"])
CHECKED = Metric(
    "dataprovider_integrity_check_age_seconds", "gauge", "Since the last integrity check that went through ended."
)
CHECK_MISSING = Metric("dataprovider_integrity_missing_ids", "gauge", "Ids missing, as that check found.")
CHECK_DUPLICATES = Metric("dataprovider_integrity_duplicates", "gauge", "Trades stored twice, as that check found.")

ROWS = Metric("dataprovider_stored_trades", "gauge", "Trades in ClickHouse.")
STORED_BYTES = Metric("dataprovider_stored_bytes", "gauge", "Bytes that they take on disk, compressed.")
PARTS = Metric("dataprovider_stored_parts", "gauge", "Active parts of their table.")
DISK_FREE = Metric("dataprovider_disk_free_bytes", "gauge", "Free on the disk that holds DATAPROVIDER_HOME.")
DISK_TOTAL = Metric("dataprovider_disk_total_bytes", "gauge", "Size of that disk.")

WEIGHT_USED = Metric("dataprovider_exchange_weight_used", "gauge", "REST weight used in this minute, all hosts.")
WEIGHT_LIMIT = Metric("dataprovider_exchange_weight_limit", "gauge", "REST weight that a minute may have.")
BANNED = Metric("dataprovider_exchange_ban_seconds", "gauge", "Until the exchange's ban or pause is over; 0: none.")

WEBSOCKETS = Metric("dataprovider_websocket_connections", "gauge", "Open WebSocket connections of this web process.")
UPTIME = Metric("dataprovider_web_uptime_seconds", "gauge", "Since this web process started.")

ALL = [value for value in list(vars().values()) if isinstance(value, Metric)]
