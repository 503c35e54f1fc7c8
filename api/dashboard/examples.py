"""Examples of the dashboard's answers, for the documentation page."""

from __future__ import annotations

from typing import Any

from api.system.examples import WEIGHT

OVERVIEW: dict[str, Any] = {
    "totals": {
        "symbols": 300,
        "collecting": 300,
        "rows": 1299990,
        "trades_per_s": 2013.4,
        "lag_ms": 11.3,
        "storage_delay_ms": 640,
        "open_gaps": 1,
        "missing_ids": 10,
        "checked_at": 1704153599871,
    },
    "workers": [
        {
            "owner": "collector-1:4711:4026531836-a1b2c3",
            "number": 0,
            "shards": [0, 2, 4, 6, 8, 10, 12, 14],
            "symbols": 151,
            "subscribed": 151,
            "connections": 2,
            "trades_per_s": 1010.2,
            "lag_ms": 11.3,
            "storage_delay_ms": 640,
            "waiting_rows": 812,
            "spooled_batches": 0,
            "reconnects": 0,
            "said_at": 1704153599871,
        }
    ],
    "weight": WEIGHT,
    "jobs": {
        "running": 1,
        "waiting": 0,
        "set_aside": 0,
        "shown": [
            {
                "id": 7,
                "symbol": "BTCUSDT",
                "range": "2024-01-01 to 2024-01-31",
                "status": "running",
                "done": 0.42,
                "seconds_left": 95,
                "rows_stored": 12874551,
                "reason": "",
            }
        ],
    },
    "tickers": [
        {
            "symbol": "BTCUSDT",
            "state": "collecting",
            "price": "42283.5",
            "trades_per_s": 96.4,
            "seen_at": 1704153599871,
            "quality": "partial",
            "complete_until": 1704153540000,
            "open_gaps": 1,
            "missing_ids": 10,
        }
    ],
    "unavailable": [],
}

MONTH: dict[str, Any] = {
    "month": "2024-01",
    "state": "proved",
    "rows": 41872311,
    "missing": 0,
    "duplicates": 0,
    "absent": 0,
    "open_gaps": 0,
    "checked_at": 1706745600000,
}
