"""The answers' shapes for the documentation page; the numbers themselves are written digit for digit elsewhere."""

from __future__ import annotations

from ninja import Schema


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
