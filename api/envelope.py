"""The one shape of every answer: `{success, data, message, timestamp, error}`, with a real HTTP status."""

from __future__ import annotations

import time

import orjson
from django.http import HttpResponse

#: After so many seconds a client may try again when a service is away.
RETRY_AFTER_SECONDS = 2


def success(data: bytes, message: str, link: str | None = None) -> HttpResponse:
    """200 with `data`, which is JSON already; `link` says where what did not fit in is."""
    response = _response(200, data, message, error=None)
    if link is not None:
        response["Link"] = link
    return response


def failure(status: int, error: str, message: str) -> HttpResponse:
    """An error: `error` is a code for programs, `message` a sentence for people."""
    response = _response(status, b"null", message, error=error)
    if status == 503:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _response(status: int, data: bytes, message: str, error: str | None) -> HttpResponse:
    body = b'{"success":%b,"data":%b,"message":%b,"timestamp":%d,"error":%b}' % (
        b"false" if error else b"true",
        data,
        orjson.dumps(message),
        time.time_ns() // 1_000_000,
        orjson.dumps(error),
    )
    return HttpResponse(body, content_type="application/json", status=status)
