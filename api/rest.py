"""The REST interface, /api/v1."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from ninja import NinjaAPI, Query

from api import examples, failures, http, market, proof, shapes
from api.apps import this_app
from api.client import client_source
from api.dashboard.routes import router as dashboard_router
from api.documenting import answers, example, refusal_examples, refusals
from api.envelope import success
from api.export import router as export_router
from api.parameters import Candles, Coverage, LatestTrades, Trades, normal_symbol
from api.probes import router as probes_router
from api.system import router as system_router
from api.system import websocket_router
from api.tickers import router as tickers_router
from api.unknown import refusing_unknown_parameters

#: The client as a file in the documentation.
CLIENT: dict[str, Any] = {
    "responses": {
        200: {"description": "The file.", "content": {"text/x-python": {"schema": {"type": "string"}}}},
        **refusal_examples(),
    }
}

api = NinjaAPI(
    title="DataProvider",
    version="1",
    urls_namespace="api-v1",
    description="Trades and candles of Binance USDⓈ-M contracts, every number with its exact digits.",
)
failures.install(api)
api.add_router("export", export_router)
api.add_router("", system_router)
api.add_router("admin/websocket", websocket_router)
api.add_router("monitoring", probes_router)
api.add_router("", dashboard_router)
api.add_router("tickers", tickers_router)


@api.get(
    "data/trades/{symbol}",
    response=answers(shapes.TradesAnswer, 404),
    openapi_extra=example([examples.TRADE], "Retrieved 1 trades", 404),
    tags=["data"],
)
async def trades(request: HttpRequest, symbol: str, asked: Query[Trades]) -> HttpResponse:
    """Aggregated trades, ascending: from an id or a time on, or else the newest.

    Where a range holds more than `limit`, the answer's Link header has the address of the next ones (`rel="next"`).
    """
    data, count, others = await market.trades(this_app().store, normal_symbol(symbol), asked)
    return success(data, f"Retrieved {count} trades", others)


@api.get(
    "data/trades/{symbol}/latest",
    response=answers(shapes.TradesAnswer, 404),
    openapi_extra=example([examples.TRADE], "Retrieved 1 trades", 404),
    tags=["data"],
)
async def latest_trades(request: HttpRequest, symbol: str, asked: Query[LatestTrades]) -> HttpResponse:
    """The newest aggregated trades, ascending."""
    data, count = await market.latest_trades(this_app().store, normal_symbol(symbol), asked.limit)
    return success(data, f"Retrieved {count} trades")


@api.get(
    "data/klines/{symbol}",
    response=answers(shapes.CandlesAnswer, 404),
    openapi_extra=example([examples.CANDLE], "Retrieved 1 candles", 404),
    tags=["data"],
)
async def klines(request: HttpRequest, symbol: str, asked: Query[Candles]) -> HttpResponse:
    """Candles of any number of minutes, ascending, that open in the range: with a start the first, else the newest.

    `closed`: the exchange's time has passed its end. `complete`: it is proven that no trade of it is missing.
    Where a range holds more than `limit`, the answer's Link header has the address of the others: `rel="next"` of those
    that follow, without a start `rel="prev"` of those before.
    """
    data, count, others = await market.candles(this_app().store, normal_symbol(symbol), asked)
    return success(data, f"Retrieved {count} candles", others)


@api.get(
    "data/ohlcv/{symbol}",
    response=answers(shapes.CandlesAnswer, 404),
    openapi_extra=example([examples.CANDLE], "Retrieved 1 candles", 404),
    tags=["data"],
)
async def ohlcv(request: HttpRequest, symbol: str, asked: Query[Candles]) -> HttpResponse:
    """The same as klines."""
    return await klines(request, symbol, asked)


@api.get(
    "integrity/coverage/{symbol}",
    response=answers(shapes.CoverageAnswer, 404),
    openapi_extra=example(examples.CERTIFICATE, "Retrieved the certificate", 404),
    tags=["integrity"],
)
async def coverage(request: HttpRequest, symbol: str, asked: Query[Coverage]) -> HttpResponse:
    """A symbol's certificate: which ids are stored, with a fingerprint of each range, and the verdict for what is not.

    `ranges` are read from the store now; `trust_id`, `missing`, `duplicates` and `twins` are those of the last
    integrity check. A fingerprint is the sum modulo 2^64, over the rows of the range, of ClickHouse's
    `cityHash64(symbol, aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker)`.
    """
    data = await proof.certificate(this_app().store, normal_symbol(symbol), asked.from_id)
    return success(data, "Retrieved the certificate")


@api.get(
    "integrity/summary",
    response=answers(shapes.SummaryAnswer),
    openapi_extra=example([examples.TRUST_POINT], "Retrieved 1 symbols"),
    tags=["integrity"],
)
async def integrity_summary(request: HttpRequest) -> HttpResponse:
    """How far each symbol can be trusted: up to `trust_id` everything is stored, or absent upstream with evidence.

    A symbol is missing here until its first check is done; while all are, `message` says why.
    """
    data, message = await proof.summary(this_app().store, checks=settings.CONFIG.enable_integrity_checks)
    return success(data, message)


@api.get("client.py", response=refusals(), tags=["client"], openapi_extra=CLIENT)
async def python_client(request: HttpRequest) -> HttpResponse:
    """A Python client in one file, to save beside a notebook or a bot."""
    return HttpResponse(client_source(), content_type="text/x-python; charset=utf-8")


def urls() -> list[URLPattern | URLResolver]:
    """What belongs under /api/v1/."""
    patterns, _, _ = api.urls
    for pattern in patterns:
        if isinstance(pattern, URLPattern) and pattern.callback is not None and _is_operation(pattern):
            view = refusing_unknown_parameters(api, str(pattern.pattern), pattern.callback)
            streams = str(pattern.pattern).startswith("export/")
            pattern.callback = http.complete(view, streams=streams)
    return patterns


def _is_operation(pattern: URLPattern) -> bool:
    return str(pattern.pattern) not in ("", "docs", "openapi.json")
