"""The same guards for a WebSocket's handshake: address, host, origin, key and rate. A refusal is a plain 403."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from django.http.request import split_domain_port, validate_host

from api.security.addresses import Gate
from api.security.guard import Guard
from api.security.keys import token_of
from dataprovider.config import Config

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

#: A browser's WebSocket cannot set a header: it may send its key in the address instead.
KEY_PARAMETER = "api_key"


def guarded(application: Application, config: Config) -> Application:
    """The application for handshakes that may pass; it finds who calls in `scope["client_address"]`.

    Of who came with a key `scope["key_is_good"]` (a coroutine function) says whether it has been revoked since.
    Neither it nor any log gets to see a key of the address.
    """
    gate = Gate(config.allowed_ips, config.trusted_proxies)
    guard = Guard(config)

    async def refusal(scope: Scope) -> str | None:
        headers = _headers(scope)
        scope["query_string"], in_query = without_key(scope.get("query_string") or b"")
        connection = str((scope.get("client") or ("",))[0])
        address = scope["client_address"] = gate.address(connection, headers.get("x-forwarded-for", ""))
        if not gate.lets_in(address):
            return "it is not in ALLOWED_IPS"
        host = headers.get("host", "")
        if not validate_host(split_domain_port(host)[0], list(config.allowed_hosts)):
            return "the host name it asked for is not one of ALLOWED_HOSTS"
        if not is_allowed_origin(headers.get("origin"), host, config.cors_allowed_origins):
            return "the page's origin is not one of CORS_ALLOWED_ORIGINS"
        token = token_of(headers) or in_query
        decision = await guard.decided(address, token)
        if decision.caller is not None and token is not None:
            scope["key_is_good"] = partial(guard.recognises, token)
        return decision.message if decision.status else None

    async def handshake(scope: Scope, receive: Receive, send: Send) -> None:
        reason = await refusal(scope)
        if reason is None:
            await application(scope, receive, send)
            return
        logger.info("A WebSocket of %s was refused: %s", scope["client_address"][:60], reason)
        await receive()
        await send({"type": "websocket.close"})

    return handshake


def is_allowed_origin(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of this origin may connect: our own, one of the allowed ones; what is no browser sends none."""
    if origin is None or origin in allowed:
        return True
    try:
        return bool(host) and urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:
        return False


def without_key(query: bytes) -> tuple[bytes, str | None]:
    """A query string without its key, and that key."""
    parts = query.split(b"&")
    kept = [part for part in parts if _name(part) != KEY_PARAMETER]
    keys = [part.partition(b"=")[2] for part in parts if _name(part) == KEY_PARAMETER]
    return b"&".join(kept), unquote_plus(keys[0].decode("latin-1")) if keys else None


def _name(part: bytes) -> str:
    return unquote_plus(part.partition(b"=")[0].decode("latin-1"))


def _headers(scope: Scope) -> dict[str, str]:
    """Names in lower case; what was sent several times is joined, as Django does it."""
    found: dict[str, str] = {}
    for name, value in scope.get("headers", ()):
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key in found else text
    return found
