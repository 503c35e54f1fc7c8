"""The addresses about the system as a whole: monitoring/system-stats, system/info, admin/…"""

from __future__ import annotations

import asyncio
import platform
import time
from dataclasses import asdict
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import django
import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router

from api.apps import this_app
from api.documenting import answers, example
from api.envelope import success
from api.parameters import MOST_CANDLES, MOST_TIMEFRAME, MOST_TRADES
from api.security.control import CONTROL
from api.sources import away
from api.system import collection, examples, shapes, stats
from api.tickers import everything_known, overview
from api.tickers import examples as ticker_examples
from api.tickers.shapes import TickersOverviewAnswer
from dataprovider.config import Config
from dataprovider.heartbeat import read_hosts, read_workers
from dataprovider.version import VERSION

router = Router()


@router.get(
    "monitoring/system-stats",
    response=answers(shapes.SystemStatsAnswer),
    openapi_extra=example(examples.STATS, "Taken now"),
    tags=["monitoring"],
)
async def system_stats(request: HttpRequest) -> HttpResponse:
    """Processor, memory and disk here, each worker's counts, and the size of each service, taken at this moment."""
    app, config = this_app(), _config()
    machine, store, postgres, redis, workers = await asyncio.gather(
        app.sources.run(partial(stats.machine, config.dataprovider_home)),
        app.sources.clickhouse(stats.clickhouse),
        app.sources.postgres(stats.postgres),
        app.sources.redis(stats.redis),
        app.sources.redis(read_workers),
    )
    found = {
        "taken_at": time.time_ns() // 1_000_000,
        "machine": machine,
        "process": stats.process(app.started),
        "trades_per_s": None if workers is None else round(sum(each.trades_per_s for each in workers), 1),
        "storage_delay_ms": max((each.storage_delay_ms for each in workers or ()), default=None),
        "workers": None if workers is None else list(map(stats.worker, workers)),
        "clickhouse": store,
        "postgres": postgres,
        "redis": redis,
        "unavailable": away(clickhouse=store, postgres=postgres, redis=redis),
    }
    return success(orjson.dumps(found), _taken(found))


@router.get(
    "system/info",
    response=answers(shapes.SystemInfoAnswer),
    openapi_extra=example(examples.INFO, "DataProvider 0.1.0"),
    tags=["system"],
)
async def system_info(request: HttpRequest) -> HttpResponse:
    """What runs here, which parts of it are on, and what may be asked of it."""
    app, config = this_app(), _config()
    store, postgres, redis = await asyncio.gather(
        app.sources.clickhouse(stats.clickhouse),
        app.sources.postgres(stats.postgres_version),
        app.sources.redis(stats.redis),
    )
    uptime = time.monotonic() - app.started
    found = {
        "name": "DataProvider",
        "version": VERSION,
        "environment": config.environment,
        "started_at": int((time.time() - uptime) * 1000),
        "uptime_seconds": int(uptime),
        "exchange": urlsplit(config.binance_rest_url).hostname or "",
        "features": {
            "rest_api": config.enable_rest_api,
            "websocket_api": config.enable_websocket_api,
            "integrity_checks": config.enable_integrity_checks,
            "require_api_key": config.require_api_key,
        },
        "limits": {
            "requests_per_minute": config.rate_limit_per_minute or None,
            "trades_per_request": MOST_TRADES,
            "candles_per_request": MOST_CANDLES,
            "shortest_timeframe": 1,
            "longest_timeframe": MOST_TIMEFRAME,
        },
        "versions": {
            "python": platform.python_version(),
            "django": django.get_version(),
            "clickhouse": store["version"] if store else None,
            "postgres": postgres,
            "redis": redis["version"] if redis else None,
        },
        "unavailable": away(clickhouse=store, postgres=postgres, redis=redis),
    }
    return success(orjson.dumps(found), f"DataProvider {VERSION}")


@router.get(
    "admin/tickers/status",
    response=answers(TickersOverviewAnswer),
    openapi_extra=example(ticker_examples.OVERVIEW, "1 of 1 tickers are being collected"),
    tags=["admin"],
)
async def tickers_status(request: HttpRequest) -> HttpResponse:
    """Every contract's state, worker, rows and gaps in one answer, and how many contracts are in each state."""
    found = overview(await everything_known())
    message = f"{found['by_state']['collecting']} of {found['total']} tickers are being collected"
    return success(orjson.dumps(found), message)


@router.get(
    "admin/coordinators/weight",
    response=answers(shapes.WeightAnswer),
    openapi_extra=example(examples.WEIGHT, "420 of 2400 are used in this minute"),
    tags=["admin"],
)
async def coordinator_weight(request: HttpRequest) -> HttpResponse:
    """The exchange's request weight, one budget of all processes and hosts, and pauses or bans that it ordered."""
    found = collection.weight(await this_app().sources.redis(collection.read_weight))
    return success(orjson.dumps(found), _said_of_weight(found))


@router.get(
    "admin/synchronizer",
    response=answers(shapes.SynchronizerAnswer),
    openapi_extra=example(examples.SYNCHRONIZER, "The synchronizer is running"),
    tags=["admin"],
)
async def synchronizer(request: HttpRequest) -> HttpResponse:
    """Who reads the exchange's list of contracts, and what stands in it."""
    sources, only = this_app().sources, _config().load_only_tickers
    hosts, directory = await asyncio.gather(
        sources.redis(read_hosts), sources.postgres(lambda: collection.read_directory(only))
    )
    found = collection.synchronizer(hosts, directory)
    return success(orjson.dumps(found), f"The synchronizer: {found['state']}")


@router.post(
    "admin/system/sync",
    auth=CONTROL,
    response=answers(shapes.SynchronizedAnswer),
    openapi_extra=example(
        examples.SYNCHRONIZED,
        "340 contracts: 1 new, 2 changed, 0 no longer listed",
        own={
            503: (
                "EXCHANGE_UNAVAILABLE",
                "The exchange does not answer at https://fapi.binance.com: check the network.",
            )
        },
    ),
    tags=["admin"],
)
async def sync(request: HttpRequest) -> HttpResponse:
    """Read the exchange's list of contracts now. New contracts are collected from the next second on."""
    result = await this_app().synchronization.run()
    message = (
        f"{result.listed} contracts: {result.added} new, {result.changed} changed, {result.delisted} no longer listed"
    )
    return success(orjson.dumps(asdict(result)), message)


def _config() -> Config:
    config: Config = settings.CONFIG
    return config


def _taken(found: dict[str, Any]) -> str:
    if found["unavailable"]:
        return f"Taken now; no answer from {', '.join(found['unavailable'])}"
    return "Taken now" if found["workers"] else "Taken now; no collector runs"


def _said_of_weight(found: dict[str, Any]) -> str:
    if found["state"] == "unavailable":
        return "Valkey does not answer: until it does, nothing is asked of the exchange"
    message = f"{found['used']} of {found['limit']} are used in this minute"
    return message if found["state"] == "free" else f"{message}; {found['state']} for {found['wait_ms'] / 1000:.0f} s"
