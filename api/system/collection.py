"""How collection as a whole stands: the weight budget, and the synchroniser of contracts. Functions here block."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.db.models.functions import Now
from redis import Redis

from api.sources import away
from collectors.binance.rest import Rest
from collectors.binance.weight import Priority, WeightBudget, WeightState, patience
from collectors.directory import COLLECTED, SyncResult, sync_symbols
from collectors.models import ShardLease, Symbol, SymbolStatus
from collectors.supervisor import SYNC_SECONDS
from dataprovider.config import Config
from dataprovider.heartbeat import HostStatus

#: How long a request for a synchronisation waits for its turn at the exchange (seconds).
PATIENCE_SECONDS = 10.0
_MINUTE_MS = 60_000


def read_weight(redis: Redis) -> WeightState:
    """How the budget stands. Raises redis.exceptions.RedisError."""
    return WeightBudget(redis, settings.CONFIG.egress_name).state()


def weight(state: WeightState | None) -> dict[str, Any]:
    """The shape `Weight`; None: Valkey does not answer."""
    if state is None:
        fields = ("used", "limit", "remaining", "minute", "wait_ms", "paused_until", "banned_until")
        return {"state": "unavailable", **dict.fromkeys(fields), "unavailable": ["redis"]}
    until = max(state.paused_until_ms, state.banned_until_ms)
    name = "free"
    if state.banned_until_ms > state.now_ms:
        name = "banned"
    elif state.paused_until_ms > state.now_ms:
        name = "paused"
    elif state.used >= state.limit:
        name, until = "exhausted", state.minute_ms + _MINUTE_MS
    return {
        "state": name,
        "used": state.used,
        "limit": state.limit,
        "remaining": max(0, state.limit - state.used),
        "minute": state.minute_ms,
        "wait_ms": 0 if name == "free" else max(0, until - state.now_ms),
        "paused_until": state.paused_until_ms if name == "paused" else None,
        "banned_until": state.banned_until_ms if name == "banned" else None,
        "unavailable": [],
    }


@dataclass(frozen=True, slots=True)
class Directory:
    """What Postgres says of the list of contracts. changed_ms: when one last changed (ms), None without any."""

    counts: dict[str, int]
    changed_ms: int | None
    shards_held: int


def read_directory(only: Collection[str]) -> Directory:
    """`only`: LOAD_ONLY_TICKERS. Raises django.db.Error."""
    rows = Symbol.objects.order_by("name", "-onboard_date").distinct("name").only("name", "status", "enabled")
    contracts = list(rows)
    trading = [each for each in contracts if each.status in COLLECTED]
    enabled = [each for each in trading if each.enabled]
    changed = Symbol.objects.aggregate(changed=Max("updated_at"))["changed"]
    return Directory(
        counts={
            "listed": sum(each.status != SymbolStatus.DELISTED for each in contracts),
            "trading": len(trading),
            "wanted": sum(not only or each.name in only for each in enabled),
            "paused": len(trading) - len(enabled),
            "delisted": sum(each.status == SymbolStatus.DELISTED for each in contracts),
        },
        changed_ms=None if changed is None else round(changed.timestamp() * 1000),
        shards_held=ShardLease.objects.filter(expires_at__gt=Now()).count(),
    )


def synchronizer(hosts: list[HostStatus] | None, directory: Directory | None) -> dict[str, Any]:
    """The shape `Synchronizer`; None: who knows it does not answer."""
    if hosts is None:
        state = "unknown"
    elif not hosts:
        state = "stopped"
    else:
        state = "trouble" if any(host.problem or host.postgres_away or not host.synced for host in hosts) else "running"
    names = ("owner", "pid", "workers", "shards", "symbols", "synced", "postgres_away", "problem")
    return {
        "state": state,
        "interval_seconds": int(SYNC_SECONDS),
        "hosts": None
        if hosts is None
        else [{**{name: getattr(host, name) for name in names}, "said_at": host.updated_ms} for host in hosts],
        "symbols": directory.counts if directory else None,
        "last_change": directory.changed_ms if directory else None,
        "shards_held": directory.shards_held if directory else None,
        "unavailable": away(postgres=directory, redis=hosts),
    }


class Synchronization:
    """Reading the exchange's list of contracts at somebody's request: one at a time, whose result all get who asked."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._redis = Redis.from_url(
            config.redis_url or "redis://127.0.0.1:1/0", socket_timeout=1.0, socket_connect_timeout=1.0
        )
        # A thread of its own: it may wait for its turn at the exchange, and candles must not wait with it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="synchronization")
        self._under_way: asyncio.Future[SyncResult] | None = None

    async def run(self) -> SyncResult:
        """Ask the exchange, inside its weight, and write down what changed. Raises ExchangeProblem, django.db.Error."""
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.get_running_loop().run_in_executor(self._thread, self._synchronize)
        return await asyncio.shield(self._under_way)

    def _synchronize(self) -> SyncResult:
        with requests.Session() as session:
            rest = Rest(
                self._config.binance_rest_url,
                WeightBudget(self._redis, self._config.egress_name),
                Priority.LIVE,
                patience(PATIENCE_SECONDS),
                session,
            )
            try:
                return sync_symbols(rest.exchange_info())
            finally:
                connection.close()
