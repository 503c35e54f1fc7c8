"""What clients send on a stream connection, and the answers, as Binance gives them.

Source of the error codes and texts: "How to connect / error messages" of Binance's WebSocket market streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


@dataclass(frozen=True, slots=True)
class Command:
    method: str
    params: list[Any]
    id: int | str | None


@dataclass(frozen=True, slots=True)
class CommandError(Exception):
    code: int
    message: str
    id: int | str | None = None

    def answer(self) -> bytes:
        body: dict[str, Any] = {"error": {"code": self.code, "msg": self.message}}
        if self.id is not None:
            body["id"] = self.id
        return orjson.dumps(body)


def read_command(text: str | bytes) -> Command:
    """The command in a client's message. Raises CommandError with the exchange's answer."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CommandError(3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}") from None
    if not isinstance(found, dict):
        raise CommandError(2, "Invalid request: request must be an object")
    identity = found.get("id")
    if isinstance(identity, bool) or not isinstance(identity, int | str | None) or _negative(identity):
        raise CommandError(2, "Invalid request: request ID must be an unsigned integer")
    method = found.get("method")
    if method is None:
        raise CommandError(2, "Invalid request: missing field `method` at line 1 column 1", identity)
    if not isinstance(method, str) or method not in METHODS:
        known = ", ".join(f"`{name}`" for name in METHODS)
        raise CommandError(2, f"Invalid request: unknown variant `{_shown(method)}`, expected one of {known}", identity)
    params = found.get("params", [])
    if not isinstance(params, list):
        raise CommandError(2, "Invalid request: params must be an array", identity)
    if method in ("SUBSCRIBE", "UNSUBSCRIBE") and not all(isinstance(name, str) for name in params):
        raise CommandError(2, "Invalid request: stream name must be a string", identity)
    return Command(method, params, identity)


def _shown(method: object) -> str:
    return method[:100] if isinstance(method, str) else "…"


def answer(result: object, identity: int | str | None) -> bytes:
    return orjson.dumps({"result": result, "id": identity})


def _negative(identity: object) -> bool:
    return isinstance(identity, int) and identity < 0
