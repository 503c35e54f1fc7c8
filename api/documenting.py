"""What every endpoint's documentation has in common: its refusals, and its example as it goes over the wire."""

from __future__ import annotations

from typing import Any

from api import shapes

_WHY = {
    400: ("INVALID_PARAMETER", "limit: input should be less than or equal to 1000"),
    401: ("INVALID_API_KEY", "The API key is not known here, or was revoked."),
    403: ("FORBIDDEN", "203.0.113.7 is not in ALLOWED_IPS."),
    404: ("UNKNOWN_SYMBOL", "There is no symbol 'NONE' here."),
    405: ("METHOD_NOT_ALLOWED", "POST is not possible here, only GET."),
    429: ("RATE_LIMITED", "More than 1200 requests in a minute; go on in 17 s."),
    503: ("STORE_UNAVAILABLE", "The trade store does not answer now; try again in a moment."),
}
#: What any request may get, whatever it asks for.
ALWAYS = (400, 401, 403, 429, 503)
_EXAMPLE_TIME = 1_704_153_600_123


def answers(shape: Any, *more: int) -> dict[int, Any]:
    """The `response` of an operation: its 200, and every refusal that may come instead (`more`: of its own)."""
    return {200: shape, **dict.fromkeys(sorted({*ALWAYS, *more}), shapes.Refusal)}


def example(data: Any, message: str, *more: int, refusals: dict[int, tuple[str, str]] | None = None) -> dict[str, Any]:
    """The `openapi_extra` of an operation: an example of each of its answers, in the envelope.

    `refusals`: error codes and messages of its own, by status, in place of the usual ones.
    """
    why = {**{status: _WHY[status] for status in (*ALWAYS, *more)}, **(refusals or {})}
    bodies = {
        200: _body(data, message, None),
        **{status: _body(None, text, code) for status, (code, text) in why.items()},
    }
    content: dict[int, dict[str, Any]] = {
        status: {"content": {"application/json": {"example": body}}} for status, body in sorted(bodies.items())
    }
    for status in (429, 503):
        content[status]["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds after which to try again."}
        }
    return {"responses": content}


def _body(data: Any, message: str, error: str | None) -> dict[str, Any]:
    return {
        "success": error is None,
        "data": data,
        "message": message,
        "timestamp": _EXAMPLE_TIME,
        "error": error,
    }
