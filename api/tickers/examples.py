"""Examples of the answers about contracts, for the documentation page."""

from __future__ import annotations

from typing import Any

TICKER: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "state": "collecting",
    "enabled": True,
    "status": "TRADING",
    "contract_type": "PERPETUAL",
    "pair": "BTCUSDT",
    "base_asset": "BTC",
    "quote_asset": "USDT",
    "tick_size": "0.10",
    "step_size": "0.001",
    "onboard_time": 1569398400000,
    "delivery_time": None,
    "rows": 1299990,
    "first_id": 2012155433,
    "last_id": 2013455432,
    "open_gaps": 1,
    "missing_ids": 10,
}

DETAIL = {**TICKER, "first_time": 1704067200012, "last_time": 1704153599871, "unavailable": []}

STATUS: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "state": "collecting",
    "reason": "A worker collects it.",
    "enabled": True,
    "shard": 11,
    "worker": {
        "owner": "collector-1:4711:4026531836-a1b2c3",
        "number": 0,
        "pid": 4712,
        "trades_per_s": 812.4,
        "lag_ms": 11.3,
        "said_at": 1704153600012,
    },
    "rows": 1299990,
    "last_id": 2013455432,
    "last_time": 1704153599871,
    "gaps": {"open": 0, "recovering": 1, "missing_ids": 10},
    "jobs": {"waiting": 0, "running": 1},
    "trust": {
        "trust_id": 2012400000,
        "trust_time": 1704081007345,
        "missing": 10,
        "duplicates": 0,
        "checked_at": 1704153000000,
    },
    "last_boundary": {"at": 1704081007501, "cause": "reconnect", "verdict": "gap"},
    "data_status": {
        "historical_loading": False,
        "gap_recovery": True,
        "data_quality": "partial",
        "last_complete_timestamp": 1704081007345,
    },
    "unavailable": [],
}

AGGREGATES: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "materialized_views": [],
    "timeframes": {"shortest": 1, "longest": 43200, "step": 1},
    "first_minute": 1704067200000,
    "last_minute": 1704153540000,
    "projections": [
        {
            "name": "ohlcv_1m_projection",
            "grain": "minute",
            "serves": ["data/klines", "data/ohlcv", "/fapi/v1/klines", "/ws/stream"],
            "groups": 1440,
            "parts": 3,
            "parts_with_projection": 3,
            "rows": 73440,
            "bytes_on_disk": 5203112,
        },
        {
            "name": "agg_id_projection",
            "grain": "day",
            "serves": ["integrity/coverage", "tickers", "data/trades?from_id"],
            "groups": 1,
            "parts": 3,
            "parts_with_projection": 3,
            "rows": 153,
            "bytes_on_disk": 9481,
        },
    ],
}

PAUSED = {"symbol": "BTCUSDT", "enabled": False, "changed": True}
RESUMED = {"symbol": "BTCUSDT", "enabled": True, "changed": True}

OVERVIEW: dict[str, Any] = {
    "total": 1,
    "by_state": {
        "collecting": 1,
        "starting": 0,
        "waiting": 0,
        "paused": 0,
        "left_out": 0,
        "not_trading": 0,
        "unknown": 0,
    },
    "open_gaps": 1,
    "missing_ids": 10,
    "rows": 1299990,
    "tickers": [
        {
            "symbol": "BTCUSDT",
            "state": "collecting",
            "shard": 11,
            "worker": "collector-1:4711:4026531836-a1b2c3/0",
            "rows": 1299990,
            "last_id": 2013455432,
            "open_gaps": 1,
            "missing_ids": 10,
            "trust_id": 2012400000,
        }
    ],
    "unavailable": [],
}
