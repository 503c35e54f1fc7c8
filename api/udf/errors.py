"""Errors as the charting library reads them: {"s": "error", "errmsg"}, with an honest status."""

from __future__ import annotations

import orjson
from django.http import HttpResponse


class UdfError(Exception):
    """A request that cannot be answered; `status` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def error_answer(status: int, message: str) -> HttpResponse:
    body = orjson.dumps({"s": "error", "errmsg": message})
    return HttpResponse(body, content_type="application/json", status=status)
