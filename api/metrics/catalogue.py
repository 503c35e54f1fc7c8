"""Every metric there is: its name, kind, unit, meaning, and what to do about it. What is not listed is not exported.

Names follow Prometheus' own conventions: a base unit as the suffix (seconds, bytes), `_total` for counters. Counters of
a worker begin anew with its process. `docs/METRICS.md` is made of this by `python -m api.metrics.page`.
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
    unit: str
    meaning: str
    #: From which value on it needs a person, and what that person does; empty: it only explains others.
    advice: str = ""
    labels: Sequence[str] = ()

    @property
    def exported(self) -> str:
        """Its name at /metrics."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_WORKER = ("owner", "worker")

UP = Metric(
    "dataprovider_service_up",
    "gauge",
    "0 or 1",
    "1 when the service answers the web process, 0 when not.",
    "At 0 start the service and look into its log. Collection goes on without it; what only it knows is not exported.",
    ["service"],
)

WORKERS = Metric(
    "dataprovider_collector_workers",
    "gauge",
    "processes",
    "Collector processes whose heartbeat is fresh.",
    "At 0 nothing is collected: start `manage.py runcollectors`. Fewer than COLLECTOR_WORKERS: its log says why.",
)
SHARDS_HELD = Metric(
    "dataprovider_shards_held",
    "gauge",
    "shards",
    "Of the sixteen shards, those that a worker carries.",
    "Below 16 for longer than half a minute some contracts are not collected: see shards in the admin.",
)
WORKER_SYMBOLS = Metric(
    "dataprovider_worker_symbols", "gauge", "contracts", "Contracts that it is to collect.", labels=_WORKER
)
WORKER_SUBSCRIBED = Metric(
    "dataprovider_worker_subscribed",
    "gauge",
    "contracts",
    "Contracts whose stream is open.",
    "Less than its symbols for minutes: the exchange does not take connections, or the network is away.",
    _WORKER,
)
WORKER_QUIET = Metric(
    "dataprovider_worker_quiet_symbols",
    "gauge",
    "contracts",
    "Contracts without a trade for long.",
    "A jump of many at once is a stream that stalls; it is opened again by itself.",
    _WORKER,
)
WORKER_CONNECTIONS = Metric(
    "dataprovider_worker_connections", "gauge", "connections", "Open connections to the exchange.", labels=_WORKER
)
WORKER_RECEIVED = Metric(
    "dataprovider_worker_trades_received", "counter", "trades", "Trades read from streams.", labels=_WORKER
)
WORKER_STORED = Metric(
    "dataprovider_worker_trades_stored",
    "counter",
    "trades",
    "Trades that ClickHouse acknowledged.",
    "Slower than received for minutes: ClickHouse does not keep up, see the storage delay.",
    _WORKER,
)
WORKER_DUPLICATES = Metric(
    "dataprovider_worker_trades_seen_before",
    "counter",
    "trades",
    "Trades that came again and were dropped.",
    labels=_WORKER,
)
WORKER_DEAD = Metric(
    "dataprovider_worker_dead_letters",
    "counter",
    "messages",
    "Messages that could not be read.",
    "Any: look at them in DATAPROVIDER_HOME/dead_letters; the exchange may have changed its format.",
    _WORKER,
)
WORKER_GAPS = Metric(
    "dataprovider_worker_gaps", "counter", "gaps", "Gaps that it found; they are fetched by themselves.", labels=_WORKER
)
WORKER_RECONNECTS = Metric(
    "dataprovider_worker_reconnects",
    "counter",
    "connections",
    "Connections opened again.",
    "Many in an hour: the network between here and the exchange is bad.",
    _WORKER,
)
WORKER_BUFFERED = Metric(
    "dataprovider_worker_buffered_trades",
    "gauge",
    "trades",
    "Trades in memory, not stored yet.",
    "Near BUFFER_MAX_ROWS the rest goes to disk; see the storage delay.",
    _WORKER,
)
WORKER_SPOOLED = Metric(
    "dataprovider_worker_spooled_batches",
    "gauge",
    "batches",
    "Batches on disk, not stored yet.",
    "More than 0: ClickHouse is away or too slow. Nothing is lost below SPOOL_MAX_BYTES; bring ClickHouse back.",
    _WORKER,
)
WORKER_RATE = Metric(
    "dataprovider_worker_trades_per_second",
    "gauge",
    "trades/s",
    "Trades a second, of the last second.",
    "0 for minutes while contracts are subscribed: the exchange sends nothing, or the network is away.",
    _WORKER,
)
WORKER_LAG = Metric(
    "dataprovider_worker_lag_seconds",
    "gauge",
    "seconds",
    "From the exchange's event time to its handling, smoothed.",
    "Above 10: the worker has too much to do (raise COLLECTOR_WORKERS), the network is slow, or this clock is wrong.",
    _WORKER,
)
WORKER_DELAY = Metric(
    "dataprovider_worker_storage_delay_seconds",
    "gauge",
    "seconds",
    "Since the oldest trade was received that is not in ClickHouse yet, in memory or on disk; 0: none waits.",
    "One to three is usual. Above 30 ClickHouse is away or does not keep up: see its log, its disk, its parts.",
    _WORKER,
)

SYMBOLS = Metric(
    "dataprovider_symbols",
    "gauge",
    "contracts",
    "Contracts by the state of their collection.",
    "Contracts that stay away from `collecting`: see shards and hosts in the admin.",
    ["state"],
)
GAPS = Metric(
    "dataprovider_gaps",
    "gauge",
    "gaps",
    "Gaps that are not closed, by status.",
    "They close by themselves; for those that do not, the job in the admin says why.",
    ["status"],
)
MISSING = Metric("dataprovider_missing_ids", "gauge", "aggregate ids", "Aggregate ids that these gaps name.")
OLDEST_GAP = Metric(
    "dataprovider_oldest_gap_age_seconds",
    "gauge",
    "seconds",
    "Since the oldest of them was opened; 0: none.",
    "Above 15 minutes: look at its job. Archives of the newest day may take until the next.",
)
JOBS = Metric(
    "dataprovider_recovery_jobs",
    "gauge",
    "jobs",
    "Recovery jobs by status.",
    "Any `failed` was set aside with a reason: read it in the admin, then retry or cancel.",
    ["status"],
)
CHECKED = Metric(
    "dataprovider_integrity_check_age_seconds",
    "gauge",
    "seconds",
    "Since the last integrity check that went through ended.",
    "Above four times INTEGRITY_INTERVAL: no keeper runs, or a service is away; the collectors' log says which.",
)
CHECK_MISSING = Metric(
    "dataprovider_integrity_missing_ids",
    "gauge",
    "aggregate ids",
    "Ids missing, as that check found.",
    "They become gaps and are fetched; it is 0 again after the next check.",
)
CHECK_DUPLICATES = Metric(
    "dataprovider_integrity_duplicates",
    "gauge",
    "trades",
    "Trades stored twice, as that check found.",
    "Any is a defect: keep the log, and report it with the output of `manage.py verify SYMBOL --json`.",
)

ROWS = Metric("dataprovider_stored_trades", "gauge", "trades", "Trades in ClickHouse.")
STORED_BYTES = Metric(
    "dataprovider_stored_bytes", "gauge", "bytes", "Bytes that they take on disk, compressed, with projections."
)
PARTS = Metric(
    "dataprovider_stored_parts",
    "gauge",
    "parts",
    "Active parts of their table.",
    "Growing for hours: merges do not keep up; give ClickHouse more processor or a faster disk.",
)
DISK_FREE = Metric(
    "dataprovider_disk_free_bytes",
    "gauge",
    "bytes",
    "Free on the disk that holds DATAPROVIDER_HOME.",
    "Below a tenth of the whole: make room, or move DATAPROVIDER_HOME.",
)
DISK_TOTAL = Metric("dataprovider_disk_total_bytes", "gauge", "bytes", "Size of that disk.")

WEIGHT_USED = Metric(
    "dataprovider_exchange_weight_used",
    "gauge",
    "weight",
    "REST weight used in this minute, all hosts.",
    "At the limit for long: recovery is as fast as the exchange allows.",
)
WEIGHT_LIMIT = Metric("dataprovider_exchange_weight_limit", "gauge", "weight", "REST weight that a minute may have.")
BANNED = Metric(
    "dataprovider_exchange_ban_seconds",
    "gauge",
    "seconds",
    "Until the exchange's ban or pause is over; 0: none.",
    "Nothing is asked of it until then. Look for another program that uses its REST from the same address.",
)

WEBSOCKETS = Metric(
    "dataprovider_websocket_connections", "gauge", "connections", "Open WebSocket connections of this web process."
)
UPTIME = Metric(
    "dataprovider_web_uptime_seconds",
    "gauge",
    "seconds",
    "Since this web process started.",
    "Small again and again: it restarts; its log says why.",
)

ALL = [value for value in list(vars().values()) if isinstance(value, Metric)]
