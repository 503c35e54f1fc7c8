"""Examples of the answers about the system, for the documentation page."""

from __future__ import annotations

from typing import Any

_OWNER = "collector-1:4711:4026531836-a1b2c3"

STATS: dict[str, Any] = {
    "taken_at": 1704153600012,
    "machine": {
        "cpu_count": 2,
        "cpu_percent": 31.5,
        "load_1m": 0.84,
        "memory_total": 8321499136,
        "memory_available": 5112344576,
        "memory_percent": 38.6,
        "disk_total": 105089261568,
        "disk_free": 61992148992,
        "disk_free_percent": 59.0,
    },
    "process": {"pid": 4720, "uptime_seconds": 86400, "memory": 141557760, "threads": 22, "open_files": 41},
    "trades_per_s": 812.4,
    "storage_delay_ms": 640,
    "workers": [
        {
            "number": 0,
            "said_at": 1704153600012,
            "owner": _OWNER,
            "pid": 4712,
            "shards": [0, 2, 4, 6, 8, 10, 12, 14],
            "symbols": 331,
            "subscribed": 331,
            "connections": 2,
            "trades_per_s": 812.4,
            "lag_ms": 11.3,
            "storage_delay_ms": 640,
            "received": 70191360,
            "stored": 70191211,
            "duplicates": 0,
            "gaps": 1,
            "dead_letters": 0,
            "reconnects": 1,
            "buffered_rows": 149,
            "spooled_batches": 0,
        }
    ],
    "clickhouse": {
        "version": "26.9.1.1",
        "rows": 70191211,
        "parts": 96,
        "bytes_on_disk": 912680550,
        "uncompressed_bytes": 3790325394,
    },
    "postgres": {"version": "18.6", "symbols": 331, "open_gaps": 1, "waiting_jobs": 0, "running_jobs": 1},
    "redis": {"version": "9.1.2", "used_memory": 2097152, "clients": 14},
    "unavailable": [],
}

INFO: dict[str, Any] = {
    "name": "DataProvider",
    "version": "0.1.0",
    "environment": "production",
    "started_at": 1704067200000,
    "uptime_seconds": 86400,
    "exchange": "fapi.binance.com",
    "features": {"rest_api": True, "websocket_api": True, "integrity_checks": True, "require_api_key": False},
    "limits": {
        "requests_per_minute": 1200,
        "trades_per_request": 10000,
        "candles_per_request": 30000,
        "shortest_timeframe": 1,
        "longest_timeframe": 43200,
    },
    "versions": {
        "python": "3.11.9",
        "django": "5.2.19",
        "clickhouse": "26.9.1.1",
        "postgres": "18.6",
        "redis": "9.1.2",
    },
    "unavailable": [],
}

WEIGHT: dict[str, Any] = {
    "state": "free",
    "used": 420,
    "limit": 2400,
    "remaining": 1980,
    "minute": 1704153600000,
    "wait_ms": 0,
    "paused_until": None,
    "banned_until": None,
    "unavailable": [],
}

SYNCHRONIZER: dict[str, Any] = {
    "state": "running",
    "interval_seconds": 300,
    "hosts": [
        {
            "owner": _OWNER,
            "pid": 4711,
            "workers": 2,
            "shards": 16,
            "symbols": 331,
            "synced": True,
            "postgres_away": False,
            "problem": "",
            "said_at": 1704153600012,
        }
    ],
    "symbols": {"listed": 340, "trading": 332, "wanted": 331, "paused": 1, "delisted": 12},
    "last_change": 1704060000000,
    "shards_held": 16,
    "unavailable": [],
}

SYNCHRONIZED: dict[str, Any] = {"listed": 340, "added": 1, "changed": 2, "delisted": 0, "skipped": 0}
