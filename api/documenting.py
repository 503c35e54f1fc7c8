"""What every endpoint's documentation has in common: its refusals, and its example as it goes over the wire."""

from __future__ import annotations

from typing import Any

from api import shapes

_WHY = {
    400: ("INVALID_PARAMETER", "limit: must be 1000 or less"),
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
    return {200: shape, **refusals(*more)}


def refusals(*more: int) -> dict[int, Any]:
    """The refusals alone."""
    return dict.fromkeys(sorted({*ALWAYS, *more}), shapes.Refusal)


def example(data: Any, message: str, *more: int, own: dict[int, tuple[str, str]] | None = None) -> dict[str, Any]:
    """The `openapi_extra` of an operation: an example of each of its answers, in the envelope.

    `own`: error codes and messages of its own, by status, in place of the usual ones.
    """
    return {"responses": {200: _content(_body(data, message, None)), **refusal_examples(*more, own=own)}}


def refusal_examples(*more: int, own: dict[int, tuple[str, str]] | None = None) -> dict[int, dict[str, Any]]:
    """Those of the refusals alone, by status."""
    why = {**{status: _WHY[status] for status in sorted({*ALWAYS, *more})}, **(own or {})}
    found = {status: _content(_body(None, message, error)) for status, (error, message) in why.items()}
    for status in (429, 503):
        found[status]["headers"] = {
            "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds after which to try again."}
        }
    return found


def _content(body: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"application/json": {"example": body}}}


def _body(data: Any, message: str, error: str | None) -> dict[str, Any]:
    return {
        "success": error is None,
        "data": data,
        "message": message,
        "timestamp": _EXAMPLE_TIME,
        "error": error,
    }
