"""Which WebSocket paths there are, and the guard before them."""

from __future__ import annotations

from typing import Any

from channels.routing import URLRouter
from django.urls import path, re_path

from api.security.websocket import Application, Receive, Scope, Send, guarded
from api.streaming.endpoint import stream
from dataprovider.config import Config


def websocket(config: Config) -> Application:
    """The ASGI application for WebSocket; without streaming every path is refused."""
    # Django's type says view; Channels' router takes applications.
    application: Any = stream
    nothing: Any = refused
    streams = [path("ws/stream", application), path("ws/stream/", application)]
    return guarded(URLRouter([*(streams if config.enable_websocket_api else ()), re_path("", nothing)]), config)


async def refused(scope: Scope, receive: Receive, send: Send) -> None:
    """403 in the handshake: there is nothing here."""
    await receive()
    await send({"type": "websocket.close"})
