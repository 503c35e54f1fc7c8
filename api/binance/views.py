"""The addresses under /fapi/: parameters in, Binance's answers out, and nothing that is not in its form."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import orjson
from django.conf import settings
from django.db.utils import OperationalError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from api.apps import this_app
from api.binance import errors
from api.binance.contracts import exchange_info
from api.binance.errors import BinanceError
from api.binance.intervals import interval_of
from api.binance.klines import agg_trades, klines
from api.binance.weights import UsedWeight
from api.parameters import MAX_ID, MAX_TIME_MS, normal_symbol
from dataprovider.clickhouse import ClickHouseError

logger = logging.getLogger(__name__)

Handler = Callable[[HttpRequest], Awaitable[Any]]
Weight = Callable[[HttpRequest], int]
#: Seconds after which a client may try again when a store is away.
RETRY_AFTER_S = 5


def urls() -> list[URLPattern]:
    """What belongs under /fapi/."""
    used = UsedWeight(settings.REDIS_URL)
    fixed = {
        "ping": (1, _ping),
        "time": (1, _time),
        "exchangeInfo": (1, _exchange_info),
        "aggTrades": (20, _agg_trades),
    }
    found = [path(f"v1/{name}", _view(handler, _always(weight), used)) for name, (weight, handler) in fixed.items()]
    return [*found, path("v1/klines", _view(_klines, _kline_weight, used)), re_path("", _view(_nothing, _free, used))]


def _view(handler: Handler, weight: Weight, used: UsedWeight) -> Callable[..., Coroutine[Any, Any, HttpResponse]]:
    async def view(request: HttpRequest) -> HttpResponse:
        address: str = request.client_address  # type: ignore[attr-defined]
        total = await this_app().sources.run(partial(used.add, address, weight(request)))
        status, headers = 200, {"X-MBX-USED-WEIGHT-1M": str(total)}
        try:
            if request.method not in ("GET", "HEAD"):
                raise errors.no_such_path(request.path, request.method or "")
            body = orjson.dumps(await handler(request))
        except BinanceError as error:
            status, body = error.status, _error(error)
        except (ClickHouseError, OperationalError) as error:
            logger.warning("%s answered 503: %s", request.path, str(error).strip().partition("\n")[0])
            status, body = 503, _error(errors.away())
            headers["Retry-After"] = str(RETRY_AFTER_S)
        except Exception:
            logger.exception("%s failed", request.path)
            status, body = 500, _error(errors.unknown())
        return HttpResponse(body, status=status, headers=headers, content_type="application/json")

    return csrf_exempt(view)


async def _ping(request: HttpRequest) -> dict[str, Any]:
    return {}


async def _time(request: HttpRequest) -> dict[str, Any]:
    return {"serverTime": _now_ms()}


async def _exchange_info(request: HttpRequest) -> dict[str, Any]:
    return await this_app().store.ask_postgres(lambda: exchange_info(_now_ms()))


async def _klines(request: HttpRequest) -> list[list[Any]]:
    symbol = _symbol(request)
    name = request.GET.get("interval")
    if not name:
        raise errors.missing_parameter("interval")
    interval = interval_of(name)
    if interval is None:
        raise errors.invalid_interval()
    limit = _limit(request, most=1500)
    start, end = _range(request)
    return await klines(this_app().store, symbol, interval, start, end, limit)


async def _agg_trades(request: HttpRequest) -> list[dict[str, Any]]:
    symbol = _symbol(request)
    limit = _limit(request, most=1000)
    from_id = _number(request, "fromId", MAX_ID)
    start, end = _range(request)
    if from_id is not None and (start is not None or end is not None):
        raise errors.bad_combination()
    return await agg_trades(this_app().store, symbol, from_id, start, end, limit)


async def _nothing(request: HttpRequest) -> None:
    raise errors.no_such_path(request.path, request.method or "")


def _always(weight: int) -> Weight:
    return lambda request: weight


def _free(request: HttpRequest) -> int:
    return 0


def _kline_weight(request: HttpRequest) -> int:
    text = request.GET.get("limit", "")
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else 500
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10


def _symbol(request: HttpRequest) -> str:
    symbol = request.GET.get("symbol")
    if not symbol:
        raise errors.missing_parameter("symbol")
    # Postgres takes no NUL in text, and no symbol is that long.
    if "\0" in symbol or len(symbol) > 64:
        raise errors.invalid_symbol()
    return normal_symbol(symbol)


def _range(request: HttpRequest) -> tuple[int | None, int | None]:
    start, end = (_number(request, name, MAX_TIME_MS) for name in ("startTime", "endTime"))
    if start is not None and end is not None and start > end:
        raise errors.times_reversed()
    return start, end


def _limit(request: HttpRequest, *, most: int) -> int:
    limit = _number(request, "limit", most + 1)
    if limit is None:
        return 500
    if not 1 <= limit <= most:
        raise errors.invalid_data("limit")
    return limit


def _number(request: HttpRequest, name: str, most: int) -> int | None:
    """A parameter's number, at most `most`; None when it is absent."""
    text = request.GET.get(name)
    if text is None:
        return None
    if not text:
        raise errors.missing_parameter(name)
    if not re.fullmatch(r"[0-9]{1,20}", text, re.ASCII):
        raise errors.illegal_characters(name)
    return min(int(text), most)


def _error(error: BinanceError) -> bytes:
    return orjson.dumps({"code": error.code, "msg": error.message})


def _now_ms() -> int:
    return int(time.time() * 1000)
