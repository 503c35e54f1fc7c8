"""The answers' shapes for the documentation page; the numbers themselves are written digit for digit elsewhere."""

from __future__ import annotations

from typing import Any

from ninja import Schema
from pydantic import ConfigDict, Field


class Trade(Schema):
    aggregate_id: int
    price: float
    quantity: float
    first_trade_id: int
    last_trade_id: int
    timestamp: int
    is_buyer_maker: bool


class Candle(Schema):
    candle_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    quote_volume: float
    taker_buy_volume: float
    taker_sell_volume: float
    trades_count: int
    aggregate_count: int
    complete: bool
    closed: bool


class Envelope(Schema):
    success: bool
    message: str
    timestamp: int
    error: str | None


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
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbol": "BTCUSDT",
                    "first_id": 2012155433,
                    "first_time": 1704067200012,
                    "last_id": 2013455432,
                    "last_time": 1704153599871,
                    "rows": 1299990,
                    "trust_id": 2013455432,
                    "trust_time": 1704153599871,
                    "checked_at": 1704160000000,
                    "origin": None,
                    "missing": 0,
                    "duplicates": 0,
                    "twins": 0,
                    "ranges": [
                        {
                            "first_id": 2012155433,
                            "last_id": 2012400000,
                            "first_time": 1704067200012,
                            "last_time": 1704081007345,
                            "rows": 244568,
                            "fingerprint": "10483265908472193764",
                        },
                        {
                            "first_id": 2012400011,
                            "last_id": 2013455432,
                            "first_time": 1704081007501,
                            "last_time": 1704153599871,
                            "rows": 1055422,
                            "fingerprint": "3120587741236690125",
                        },
                    ],
                    "next_from_id": None,
                    "absent_upstream": [
                        {"first_id": 2012400001, "last_id": 2012400010, "evidence": {"source": "archive"}}
                    ],
                    "open_gaps": [],
                }
            ]
        }
    )

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
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "symbol": "BTCUSDT",
                    "first_id": 2012155433,
                    "last_id": 2013455432,
                    "trust_id": 2013455432,
                    "trust_time": 1704153599871,
                    "rows": 1299990,
                    "missing": 0,
                    "duplicates": 0,
                    "absent": 10,
                    "checked_at": 1704160000000,
                }
            ]
        }
    )

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
    symbols: int
    stream_connections: int
    trades_per_s: float
    lag_ms: float
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


class Refusal(Envelope):
    data: None
