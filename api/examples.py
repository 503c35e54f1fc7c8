"""Examples of the answers about data, integrity and health, for the documentation page."""

from __future__ import annotations

from typing import Any

TRADE: dict[str, Any] = {
    "aggregate_id": 2013455432,
    "price": 42258.10,
    "quantity": 0.012,
    "first_trade_id": 4522910233,
    "last_trade_id": 4522910234,
    "timestamp": 1704153599871,
    "is_buyer_maker": True,
}

CANDLE: dict[str, Any] = {
    "candle_time": 1704146040000,
    "open": 42301.5,
    "high": 42420.0,
    "low": 42210.3,
    "close": 42258.1,
    "volume": 1203.441,
    "quote_volume": 50903127.1128,
    "taker_buy_volume": 611.302,
    "taker_sell_volume": 592.139,
    "trades_count": 18422,
    "aggregate_count": 9711,
    "complete": True,
    "closed": True,
}

CERTIFICATE: dict[str, Any] = {
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
    "absent_upstream": [{"first_id": 2012400001, "last_id": 2012400010, "evidence": {"source": "archive"}}],
    "open_gaps": [],
}

TRUST_POINT: dict[str, Any] = {
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

HEALTH: dict[str, Any] = {
    "status": "healthy",
    "uptime_seconds": 86400,
    "active_tickers": 331,
    "trades_processed_total": 70191211,
    "clickhouse_status": "healthy",
    "websocket_connections": 5,
    "disk_free_percent": 59.0,
    "components": {
        "clickhouse": {"status": "healthy"},
        "postgres": {"status": "healthy"},
        "redis": {"status": "healthy"},
        "collectors": {
            "status": "running",
            "workers": 2,
            "shards": 16,
            "symbols": 331,
            "stream_connections": 2,
            "trades_per_s": 812.4,
            "lag_ms": 11.3,
            "storage_delay_ms": 640,
            "buffered_rows": 149,
            "spooled_batches": 0,
        },
    },
}

LIVE = {"status": "alive", "uptime_seconds": 86400}
READY = {"status": "ready"}
