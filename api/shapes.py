"""The answers' shapes for the documentation page; the numbers themselves are written digit for digit elsewhere."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import Field

_MS = "Milliseconds since 1970 (UTC)."


class Trade(Schema):
    aggregate_id: int
    price: float = Field(description="In the quote asset; all its digits.")
    quantity: float = Field(description="In the base asset; all its digits.")
    first_trade_id: int
    last_trade_id: int
    timestamp: int = Field(description=_MS)
    is_buyer_maker: bool = Field(description="false: the taker bought.")


class Candle(Schema):
    candle_time: int = Field(description=f"When it opens. {_MS}")
    open: float = Field(description="The price of the trade with the smallest id.")
    high: float
    low: float
    close: float = Field(description="The price of the trade with the largest id.")
    volume: float = Field(description="In the base asset.")
    quote_volume: float = Field(description="In the quote asset.")
    taker_buy_volume: float = Field(description="In the base asset.")
    taker_sell_volume: float = Field(description="In the base asset.")
    trades_count: int
    aggregate_count: int = Field(description="Aggregated trades.")
    complete: bool = Field(description="It is proven that no trade of it is missing.")
    closed: bool = Field(description="The exchange's time has passed its end.")


class Envelope(Schema):
    success: bool
    message: str = Field(description="A sentence for people.")
    timestamp: int = Field(description=f"When it was answered. {_MS}")
    error: str | None = Field(description="A code for programs; null when it succeeded.")


class TradesAnswer(Envelope):
    data: list[Trade]


class CandlesAnswer(Envelope):
    data: list[Candle]


class CoveredRange(Schema):
    first_id: int
    last_id: int
    first_time: int = Field(description="Milliseconds since 1970 (UTC).")
    last_time: int
    rows: int
    fingerprint: str = Field(description="A number below 2^64, as text.")


class AbsentRange(Schema):
    first_id: int
    last_id: int
    evidence: dict[str, Any]


class OpenGap(Schema):
    first_id: int
    last_id: int
    status: str
    cause: str


class Certificate(Schema):
    symbol: str
    first_id: int | None
    first_time: int | None
    last_id: int | None
    last_time: int | None
    rows: int
    trust_id: int | None = Field(description="Up to it every id is stored or absent upstream; null: not checked yet.")
    trust_time: int | None
    checked_at: int | None
    origin: dict[str, Any] | None = Field(description="Why nothing comes before first_id; null: that is not known.")
    missing: int | None
    duplicates: int | None
    twins: int = Field(description="Different trades under an aggregate id that was used before.")
    ranges: list[CoveredRange]
    next_from_id: int | None = Field(description="Where to go on asking when there are more ranges.")
    absent_upstream: list[AbsentRange]
    open_gaps: list[OpenGap]


class CoverageAnswer(Envelope):
    data: Certificate


class TrustPoint(Schema):
    symbol: str
    first_id: int
    last_id: int
    trust_id: int
    trust_time: int
    rows: int
    missing: int
    duplicates: int
    absent: int
    checked_at: int


class SummaryAnswer(Envelope):
    data: list[TrustPoint]


class CollectorsHealth(Schema):
    status: str
    workers: int
    shards: int = Field(
        description="How many of the 16 shards are collected. Fewer for a minute: `manage.py rebalance` may have been "
        "interrupted."
    )
    symbols: int
    stream_connections: int
    trades_per_s: float
    lag_ms: float
    storage_delay_ms: int = Field(description="Age of the oldest trade received that ClickHouse does not have yet.")
    buffered_rows: int
    spooled_batches: int


class Components(Schema):
    clickhouse: dict[str, str]
    postgres: dict[str, str]
    redis: dict[str, str]
    collectors: CollectorsHealth


class Health(Schema):
    status: str
    uptime_seconds: int
    active_tickers: int
    trades_processed_total: int | None
    clickhouse_status: str
    websocket_connections: int
    disk_free_percent: float
    components: Components


class HealthAnswer(Envelope):
    data: Health


class Live(Schema):
    status: str = Field(description="alive.")
    uptime_seconds: int


class LiveAnswer(Envelope):
    data: Live


class Ready(Schema):
    status: str = Field(description="ready.")


class ReadyAnswer(Envelope):
    data: Ready


class Refusal(Envelope):
    data: None
