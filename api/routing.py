"""Which WebSocket paths there are, and the guard before them."""

from __future__ import annotations

from typing import Any, cast

from channels.routing import URLRouter
from django.urls import re_path

from api.binance.streams.endpoint import combined, raw
from api.security.websocket import Application, Receive, Scope, Send, guarded
from api.streaming.endpoint import stream
from dataprovider.config import Config


def websocket(config: Config) -> Application:
    """The ASGI application for WebSocket; without streaming every path is refused."""
    # The exchange's own SDK connects to all three of its prefixes; here they are the same.
    paths: list[tuple[str, Application]] = [
        (r"^ws/stream/?$", stream),
        (r"^(?:(?:market|public|private)/)?stream/?$", combined),
        (r"^(?:(?:market|public|private)/)?ws(?:/(?P<names>.*))?$", raw),
    ]
    found = [*(paths if config.enable_websocket_api else ()), ("", refused)]
    # Django's type says view; Channels' router takes applications.
    routes: list[Any] = [re_path(pattern, cast("Any", application)) for pattern, application in found]
    return guarded(URLRouter(routes), config)


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    """403 in the handshake: there is nothing here."""
    await receive()
    await send({"type": "websocket.close"})
