"""The shapes of the answers about the system. A field is null when the service that knows it does not answer."""

from __future__ import annotations

from ninja import Schema
from pydantic import Field

from api.shapes import Envelope

_MS = "Milliseconds since 1970 (UTC)."
_UNAVAILABLE = "Services that do not answer now: what only they know is null."


class Machine(Schema):
    cpu_count: int
    cpu_percent: float = Field(description="Of all processors together, over a tenth of a second.")
    load_1m: float
    memory_total: int = Field(description="Bytes.")
    memory_available: int = Field(description="Bytes.")
    memory_percent: float
    disk_total: int = Field(description="Bytes, where DATAPROVIDER_HOME lies.")
    disk_free: int = Field(description="Bytes.")
    disk_free_percent: float


class Process(Schema):
    pid: int
    uptime_seconds: int
    memory: int = Field(description="Bytes resident.")
    threads: int
    open_files: int


class StoreStats(Schema):
    version: str
    rows: int
    parts: int
    bytes_on_disk: int = Field(description="With projections.")
    uncompressed_bytes: int = Field(description="Of the trades alone.")


class PostgresStats(Schema):
    version: str
    symbols: int
    open_gaps: int
    waiting_jobs: int
    running_jobs: int


class RedisStats(Schema):
    version: str
    used_memory: int = Field(description="Bytes.")
    clients: int


class WorkerStats(Schema):
    owner: str
    number: int
    pid: int
    shards: list[int]
    symbols: int
    subscribed: int
    connections: int
    trades_per_s: float
    lag_ms: float
    storage_delay_ms: int = Field(description="Age of the oldest trade received that ClickHouse does not have yet.")
    received: int = Field(description="Trades since its start, like the counts that follow.")
    stored: int
    duplicates: int
    gaps: int
    dead_letters: int
    reconnects: int
    buffered_rows: int = Field(description="Trades that wait in memory now.")
    spooled_batches: int = Field(description="Batches that wait on disk now.")
    said_at: int = Field(description=_MS)


class SystemStats(Schema):
    taken_at: int = Field(description=_MS)
    machine: Machine = Field(description="Where this web process runs.")
    process: Process = Field(description="This web process.")
    trades_per_s: float | None = Field(description="All workers together.")
    storage_delay_ms: int | None = Field(description="The greatest of all workers; null too when none runs.")
    workers: list[WorkerStats] | None = Field(description="Empty: no collector runs.")
    clickhouse: StoreStats | None
    postgres: PostgresStats | None
    redis: RedisStats | None
    unavailable: list[str] = Field(description=_UNAVAILABLE)


class SystemStatsAnswer(Envelope):
    data: SystemStats


class Features(Schema):
    rest_api: bool
    websocket_api: bool
    integrity_checks: bool
    require_api_key: bool


class Limits(Schema):
    requests_per_minute: int | None = Field(description="Of one address, and of one key; null: not limited.")
    trades_per_request: int
    candles_per_request: int
    shortest_timeframe: int = Field(description="Minutes.")
    longest_timeframe: int = Field(description="Minutes.")


class Versions(Schema):
    python: str
    django: str
    clickhouse: str | None
    postgres: str | None
    redis: str | None


class SystemInfo(Schema):
    name: str
    version: str
    environment: str
    started_at: int = Field(description=f"When this web process started. {_MS}")
    uptime_seconds: int
    exchange: str = Field(description="Whose trades these are: the host of BINANCE_REST_URL.")
    features: Features
    limits: Limits
    versions: Versions
    unavailable: list[str] = Field(description=_UNAVAILABLE)


class SystemInfoAnswer(Envelope):
    data: SystemInfo


class Weight(Schema):
    state: str = Field(
        description="free; exhausted until the next minute; paused (429) or banned (418) by the exchange; "
        "unavailable: Valkey does not answer, and nothing is asked of the exchange until it does."
    )
    used: int | None = Field(description="Of this minute, by all processes and hosts.")
    limit: int | None
    remaining: int | None
    minute: int | None = Field(description=f"When the minute began. {_MS}")
    wait_ms: int | None = Field(description="Until the exchange may be asked again.")
    paused_until: int | None = Field(description=_MS)
    banned_until: int | None = Field(description=_MS)
    unavailable: list[str]


class WeightAnswer(Envelope):
    data: Weight


class CollectorHostState(Schema):
    owner: str
    pid: int
    workers: int
    shards: int
    symbols: int
    synced: bool = Field(description="Whether it has read the exchange's list since it started.")
    postgres_away: bool
    problem: str = Field(description="What keeps it from collecting everything; empty: nothing.")
    said_at: int = Field(description=_MS)


class SymbolCounts(Schema):
    listed: int = Field(description="Contracts that the exchange lists.")
    trading: int = Field(description="Of them those that trade, or are about to.")
    wanted: int = Field(
        description="Of those the ones to be collected: enabled, and in LOAD_ONLY_TICKERS if it is set."
    )
    paused: int
    delisted: int


class Synchronizer(Schema):
    state: str = Field(description="running; stopped: no collector runs; trouble: see its hosts; unknown.")
    interval_seconds: int = Field(description="How often each collector reads the exchange's list of contracts.")
    hosts: list[CollectorHostState] | None
    symbols: SymbolCounts | None
    last_change: int | None = Field(description=f"When a contract last changed. {_MS}")
    shards_held: int | None = Field(description="Of 16; what nobody holds is not collected.")
    unavailable: list[str] = Field(description=_UNAVAILABLE)


class SynchronizerAnswer(Envelope):
    data: Synchronizer


class Synchronized(Schema):
    listed: int = Field(description="Contracts in the exchange's list.")
    added: int
    changed: int
    delisted: int
    skipped: int = Field(description="Entries that could not be read.")


class SynchronizedAnswer(Envelope):
    data: Synchronized
