"""The addresses under /api/v1/tickers/: which contracts there are, how each stands, and pausing one."""

from __future__ import annotations

import asyncio
import logging

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router

from api.apps import this_app
from api.documenting import answers, example
from api.envelope import success
from api.failures import Refused, UnknownSymbol
from api.parameters import normal_symbol
from api.security.control import CONTROL
from api.tickers import examples, shapes
from api.tickers.aggregates import aggregates
from api.tickers.answers import Known, detail, status, ticker
from api.tickers.book import Stored, read_book, stored_of, stored_of_all
from api.tickers.state import State
from collectors.models import Symbol
from collectors.switching import switch
from dataprovider.heartbeat import read_workers

logger = logging.getLogger(__name__)

router = Router(tags=["tickers"])

_NO_POSTGRES = "Which symbols are collected cannot be read now; try again in a moment."


@router.get("", include_in_schema=False)
@router.get(
    "/", response=answers(shapes.TickersAnswer), openapi_extra=example([examples.TICKER], "Retrieved 1 tickers")
)
async def tickers(request: HttpRequest) -> HttpResponse:
    """Every contract that the exchange lists or listed, by name; while Postgres is away those that have trades."""
    known = await everything_known()
    return _listed(known, known.names)


@router.get(
    "/running", response=answers(shapes.TickersAnswer), openapi_extra=example([examples.TICKER], "Retrieved 1 tickers")
)
async def running_tickers(request: HttpRequest) -> HttpResponse:
    """Those that are being collected at this moment."""
    known = await everything_known()
    if known.book is None:
        raise Refused(503, "DATABASE_UNAVAILABLE", _NO_POSTGRES)
    return _listed(known, [name for name in known.names if known.state(name) == State.COLLECTING])


@router.get(
    "/{symbol}",
    response=answers(shapes.TickerDetailAnswer, 404),
    openapi_extra=example(examples.DETAIL, "BTCUSDT is collecting", 404),
)
async def one_ticker(request: HttpRequest, symbol: str) -> HttpResponse:
    """One contract: what the exchange says of it, and what is stored."""
    name, known = await _known_of(symbol)
    return success(orjson.dumps(detail(known, name)), f"{name} is {known.state(name).replace('_', ' ')}")


@router.get(
    "/{symbol}/status",
    response=answers(shapes.TickerStatusAnswer, 404),
    openapi_extra=example(examples.STATUS, "A worker collects it.", 404),
)
async def ticker_status(request: HttpRequest, symbol: str) -> HttpResponse:
    """How the collection of a contract stands: its state and why, who collects it, what is missing, what is proven."""
    name, known = await _known_of(symbol)
    found = status(known, name)
    return success(orjson.dumps(found), found["reason"])


@router.get(
    "/{symbol}/mvs",
    response=answers(shapes.TickerAggregatesAnswer, 404),
    openapi_extra=example(examples.AGGREGATES, "Candles of BTCUSDT come from 2 projections", 404),
)
async def ticker_aggregates(request: HttpRequest, symbol: str) -> HttpResponse:
    """What the candles of a contract are made of: the table's projections take the place of materialized views."""
    name, known = await _known_of(symbol)
    found = None if known.stored is None else await this_app().sources.clickhouse(lambda store: aggregates(store, name))
    if found is None:
        raise Refused(503, "STORE_UNAVAILABLE", "The trade store does not answer now; try again in a moment.")
    return success(orjson.dumps(found), f"Candles of {name} come from {len(found['projections'])} projections")


@router.post(
    "/{symbol}/pause",
    auth=CONTROL,
    response=answers(shapes.SwitchedAnswer, 404),
    openapi_extra=example(examples.PAUSED, "BTCUSDT is no longer collected from the next second on", 404),
)
async def pause(request: HttpRequest, symbol: str) -> HttpResponse:
    """Stop collecting a contract; the same as disabling it in the admin, and it takes effect while running.

    What is stored stays, and is served. What it trades meanwhile is a gap as soon as it is resumed, and is fetched.
    """
    return await _switch(request, symbol, enabled=False)


@router.post(
    "/{symbol}/resume",
    auth=CONTROL,
    response=answers(shapes.SwitchedAnswer, 404),
    openapi_extra=example(examples.RESUMED, "BTCUSDT is collected from the next second on", 404),
)
async def resume(request: HttpRequest, symbol: str) -> HttpResponse:
    """Collect a contract (again); the same as enabling it in the admin."""
    return await _switch(request, symbol, enabled=True)


async def everything_known() -> Known:
    """All contracts as the three services know them."""
    sources = this_app().sources
    book, stored, workers = await asyncio.gather(
        sources.postgres(read_book), sources.clickhouse(stored_of_all), sources.redis(read_workers)
    )
    if book is None and stored is None:
        raise Refused(503, "DATABASE_UNAVAILABLE", "Neither Postgres nor ClickHouse answers; try again in a moment.")
    return Known(book, stored, workers, settings.CONFIG.load_only_tickers)


async def _known_of(symbol: str) -> tuple[str, Known]:
    """One contract likewise. Raises UnknownSymbol, and Refused when nothing says whether it exists."""
    name = _named(symbol)
    sources = this_app().sources
    book, stored, workers = await asyncio.gather(
        sources.postgres(lambda: read_book(name)),
        sources.clickhouse(lambda store: stored_of(store, name)),
        sources.redis(read_workers),
    )
    listed = None if book is None else name in book.symbols
    if not listed and not (stored and stored.rows):
        if listed is None or stored is None:
            raise Refused(503, "DATABASE_UNAVAILABLE", _NO_POSTGRES)
        raise UnknownSymbol(name)
    by_name: dict[str, Stored] | None = None if stored is None else {name: stored}
    return name, Known(book, by_name, workers, settings.CONFIG.load_only_tickers)


def _named(symbol: str) -> str:
    # Postgres takes no NUL in text, and no symbol is that long.
    if "\0" in symbol or len(symbol) > 64:
        raise UnknownSymbol(symbol)
    return normal_symbol(symbol)


def _listed(known: Known, names: list[str]) -> HttpResponse:
    lines = [ticker(known, name) for name in names]
    message = f"Retrieved {len(lines)} tickers"
    if known.unavailable:
        message += f"; no answer from {', '.join(known.unavailable)}: what only they know is null"
    return success(orjson.dumps(lines), message)


async def _switch(request: HttpRequest, symbol: str, *, enabled: bool) -> HttpResponse:
    name = _named(symbol)

    def done() -> int:
        contracts = Symbol.objects.filter(name=name)
        if not contracts.exists():
            raise UnknownSymbol(name)
        return switch(contracts, enabled=enabled)

    changed = await this_app().store.ask_postgres(done)
    what = "collected" if enabled else "no longer collected"
    if changed:
        logger.info("%s is %s: %s", name, what, request.auth)  # type: ignore[attr-defined]
    message = f"{name} is {what} from the next second on" if changed else f"{name} was {what} already"
    return success(orjson.dumps({"symbol": name, "enabled": enabled, "changed": bool(changed)}), message)
