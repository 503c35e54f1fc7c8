"""The addresses under /udf/: parameters in, the charting library's answers out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from api.apps import this_app
from api.envelope import RETRY_AFTER_SECONDS
from api.failures import UnknownSymbol
from api.market import check_known
from api.parameters import MAX_TIME_MS, normal_symbol
from api.udf.errors import UdfError, error_answer
from api.udf.history import MAX_BARS, history
from api.udf.resolutions import OFFERED, resolution_of
from api.udf.symbols import EXCHANGE, TYPE, search, symbol_info
from dataprovider.clickhouse import ClickHouseError

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], Awaitable[bytes]]

_CONFIG = {
    "supported_resolutions": OFFERED,
    "supports_search": True,
    "supports_group_request": False,
    "supports_marks": False,
    "supports_timescale_marks": False,
    "supports_time": True,
    "exchanges": [{"value": EXCHANGE, "name": "Binance", "desc": "Binance USDⓈ-M futures"}],
    "symbols_types": [{"value": TYPE, "name": "Crypto"}],
}


def urls() -> list[URLPattern]:
    """What belongs under /udf/."""
    handlers = {"config": _config, "time": _time, "symbols": _symbols, "search": _search, "history": _history}
    return [*(path(name, _view(handler)) for name, handler in handlers.items()), re_path("", _view(_nothing))]


def _view(handler: Handler) -> Callable[..., Coroutine[Any, Any, HttpResponse]]:
    async def view(request: HttpRequest) -> HttpResponse:
        try:
            if request.method not in ("GET", "HEAD"):
                raise UdfError(405, f"{request.method} is not possible here, only GET.")
            return HttpResponse(await handler(request), content_type="application/json")
        except UdfError as error:
            response = error_answer(error.status, str(error))
            if error.status == 405:
                response["Allow"] = "GET, HEAD"
        except UnknownSymbol:
            # The library knows this word.
            response = error_answer(404, "unknown_symbol")
        except (ClickHouseError, OperationalError) as error:
            logger.warning("%s answered 503: %s", request.path, str(error).strip().partition("\n")[0])
            response = error_answer(503, "The store does not answer now; try again in a moment.")
            response["Retry-After"] = str(RETRY_AFTER_SECONDS)
        except Exception:
            logger.exception("%s failed", request.path)
            response = error_answer(500, "Something went wrong here; it was written to the log.")
        return response

    return csrf_exempt(view)


async def _config(request: HttpRequest) -> bytes:
    return orjson.dumps(_CONFIG)


async def _time(request: HttpRequest) -> bytes:
    return b"%d" % time.time()


async def _symbols(request: HttpRequest) -> bytes:
    symbol, store = _symbol(request), this_app().store
    await check_known(store, symbol)
    return orjson.dumps(await store.ask_postgres(lambda: symbol_info(symbol)))


async def _search(request: HttpRequest) -> bytes:
    text = request.GET.get("query", "").strip()
    limit = _number(request, "limit", least=0, most=1000, or_else=30)
    others = request.GET.get("exchange", EXCHANGE) or EXCHANGE, request.GET.get("type", TYPE) or TYPE
    # Postgres takes no NUL in text, and no symbol is that long.
    if others != (EXCHANGE, TYPE) or "\0" in text or len(text) > 64:
        return b"[]"
    return orjson.dumps(await this_app().store.ask_postgres(lambda: search(text, limit or 30)))


async def _history(request: HttpRequest) -> bytes:
    symbol = _symbol(request)
    text = request.GET.get("resolution", "")
    interval = resolution_of(text)
    if interval is None:
        raise UdfError(400, f"resolution: must be a number of minutes up to 43200, or D, W or M (it is {text[:40]!r})")
    countback = _number(request, "countback", least=0, most=MAX_BARS, or_else=0) or None
    end = _seconds(request, "to", None)
    start = _seconds(request, "from", None if countback is None else 0)
    if countback is None and start > end:
        raise UdfError(400, f"from: must not be after to (it is {start // 1000}, to is {end // 1000})")
    return await history(this_app().store, symbol, interval, start, end, countback)


async def _nothing(request: HttpRequest) -> bytes:
    raise UdfError(404, f"There is nothing at {request.path[:200]}.")


def _symbol(request: HttpRequest) -> str:
    """The symbol of a name that may say its exchange as well, as in BINANCE:BTCUSDT."""
    text = request.GET.get("symbol", "")
    if not text:
        raise UdfError(400, "symbol: is missing")
    return normal_symbol(text.removeprefix(f"{EXCHANGE}:"))


def _seconds(request: HttpRequest, name: str, or_else: int | None) -> int:
    """A time in ms; a chart that is scrolled far enough asks for times before 1970."""
    seconds = _number(request, name, least=-(10**11), most=10**11, or_else=or_else)
    return max(0, min(seconds * 1000, MAX_TIME_MS))


def _number(request: HttpRequest, name: str, *, least: int, most: int, or_else: int | None) -> int:
    text = request.GET.get(name, "")
    if not text and or_else is not None:
        return or_else
    if not re.fullmatch(r"-?[0-9]{1,12}", text, re.ASCII) or not least <= int(text) <= most:
        raise UdfError(400, f"{name}: must be a whole number from {least} to {most} (it is {text[:40]!r})")
    return int(text)
