"""Every error becomes an enveloped answer: what the handlers raise, and what Django itself refuses under /api/."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db.utils import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, ValidationError

from api.envelope import failure
from api.pages import page
from collectors.binance.problems import Banned, ExchangeProblem
from dataprovider.clickhouse import ClickHouseError

logger = logging.getLogger(__name__)

REFUSED = "The request cannot be understood, or its host name is not one of ALLOWED_HOSTS."
DEFECT = "Something went wrong here; it was written to the log."

AsyncView = Callable[..., Awaitable[HttpResponseBase]]


class BadParameter(Exception):
    """A parameter that is fine by itself and wrong beside another; `str()` names it."""


class UnknownSymbol(Exception):
    """Neither the exchange's list nor the stored trades have it."""

    def __init__(self, symbol: str) -> None:
        super().__init__(f"There is no symbol {symbol[:80]!r} here.")


class Refused(Exception):
    """Any other refusal: its HTTP status, its code for programs, and (as `str()`) its sentence for people."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error


def install(api: NinjaAPI) -> None:
    """Teach `api` to answer each of its handlers' errors."""

    @api.exception_handler(ValidationError)
    def wrong_parameter(request: HttpRequest, error: ValidationError) -> HttpResponse:
        return failure(400, "INVALID_PARAMETER", "; ".join(_sentence(item) for item in error.errors))

    @api.exception_handler(BadParameter)
    def wrong_together(request: HttpRequest, error: BadParameter) -> HttpResponse:
        return failure(400, "INVALID_PARAMETER", str(error))

    @api.exception_handler(UnknownSymbol)
    def unknown(request: HttpRequest, error: UnknownSymbol) -> HttpResponse:
        return failure(404, "UNKNOWN_SYMBOL", str(error))

    @api.exception_handler(ClickHouseError)
    def store_away(request: HttpRequest, error: ClickHouseError) -> HttpResponse:
        # The sentence names hosts and settings: it is for the owner's log, not for a client.
        logger.warning("%s answered 503: %s", request.path, error)
        return failure(503, "STORE_UNAVAILABLE", "The trade store does not answer now; try again in a moment.")

    def postgres_away(request: HttpRequest, error: Any) -> HttpResponse:
        logger.warning("%s answered 503: Postgres: %s", request.path, str(error).strip().partition("\n")[0])
        return failure(503, "DATABASE_UNAVAILABLE", "The list of symbols cannot be read now; try again in a moment.")

    api.add_exception_handler(OperationalError, postgres_away)
    api.add_exception_handler(InterfaceError, postgres_away)

    @api.exception_handler(Refused)
    def refused(request: HttpRequest, error: Refused) -> HttpResponse:
        return failure(error.status, error.error, str(error))

    @api.exception_handler(AuthenticationError)
    def who_are_you(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        message = "To change something, send a key with scope=control as X-API-Key, or be logged in to the admin."
        response = failure(401, "CONTROL_KEY_REQUIRED", message)
        response["WWW-Authenticate"] = "Bearer"
        return response

    @api.exception_handler(ExchangeProblem)
    def exchange_away(request: HttpRequest, error: ExchangeProblem) -> HttpResponse:
        logger.warning("%s answered 503: %s", request.path, error)
        response = failure(503, "EXCHANGE_UNAVAILABLE", str(error))
        if isinstance(error, Banned):
            response["Retry-After"] = str(max(1, error.until_ms // 1000 - int(time.time())))
        return response

    def senseless(request: HttpRequest, error: Any) -> HttpResponse:
        return failure(400, "BAD_REQUEST", "The body of the request cannot be understood.")

    for each in (BadRequest, SuspiciousOperation, UnreadablePostError, MultiPartParserError):
        api.add_exception_handler(each, senseless)

    @api.exception_handler(Exception)
    def defect(request: HttpRequest, error: Exception) -> HttpResponse:
        logger.error("%s failed", request.path, exc_info=error)
        return failure(500, "INTERNAL_ERROR", DEFECT)


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400: a request that Django itself refuses, such as one for a host name that is not ours."""
    if _is_api(request):
        return failure(400, "BAD_REQUEST", REFUSED)
    return page(400, "Not understood", f"{REFUSED} Add the name by which you call it there.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404."""
    if _is_api(request):
        return failure(404, "NOT_FOUND", f"There is nothing at {request.path[:200]}; see /api/v1/docs.")
    return page(404, "Nothing here", f"There is no page at {request.path[:200]}.", "/", "Back to the dashboard")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500."""
    if _is_api(request):
        return failure(500, "INTERNAL_ERROR", DEFECT)
    return page(500, "That went wrong", DEFECT, "/", "Back to the dashboard")


#: Pydantic's types of error that name a bound.
_BOUNDS = {"greater_than_equal": ("ge", "more"), "less_than_equal": ("le", "less")}


def _sentence(item: dict[str, Any]) -> str:
    name = str(item["loc"][-1])
    if item["type"] in _BOUNDS:
        bound, words = _BOUNDS[item["type"]]
        return f"{name}: must be {item['ctx'][bound]} or {words}"
    message = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}"
