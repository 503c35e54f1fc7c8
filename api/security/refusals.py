"""A refusal in the form that the caller of a path expects."""

from __future__ import annotations

import orjson
from django.http import HttpResponse

from api.envelope import RETRY_AFTER_SECONDS, failure
from api.udf.errors import error_answer

#: Binance's own codes: too many requests, unauthorised, disconnected, malformed.
_BINANCE_CODES = {429: -1003, 401: -1002, 403: -1002, 503: -1001, 500: -1001, 413: -1130, 400: -1100}


def refused(path: str, status: int, error: str, message: str) -> HttpResponse:
    """The envelope; under /fapi/ what a Binance client understands: {"code", "msg"}, under /udf/ what a chart does."""
    if path.startswith("/udf/"):
        response = error_answer(status, message)
    elif path.startswith("/fapi/"):
        body = orjson.dumps({"code": _BINANCE_CODES[status], "msg": message})
        response = HttpResponse(body, content_type="application/json", status=status)
    else:
        return failure(status, error, message)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
