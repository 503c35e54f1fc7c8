"""What clients that mean harm share: how to reach a web process, and what to ask of it afterwards."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import psutil
import websocket

from tests.api.conftest import Server

MB = 1_000_000
LIVE = "/api/v1/monitoring/live"


def process_of(server: Server) -> psutil.Process:
    port = server.url.rpartition(":")[2]
    (found,) = [each for each in psutil.Process().children() if port in each.cmdline()]
    return found


def assert_served(server: Server) -> None:
    """Somebody else gets answers, soon, by REST and WebSocket."""
    began = time.monotonic()
    assert server.get("/api/v1/data/klines/BTCUSDT").json()["data"][0]["trades_count"] == 1
    client = connect(server)
    client.send('{"action":"subscribe","subscriptions":[{"symbol":"BTCUSDT","timeframes":[{"timeframe":7}]}]}')
    assert json.loads(client.recv())["type"] == "initial_history"
    client.close(timeout=1)
    assert time.monotonic() - began < 6


def connect(server: Server, path: str = "/ws/stream", **options: Any) -> websocket.WebSocket:
    return websocket.create_connection(f"ws{server.url.removeprefix('http')}{path}", timeout=10, **options)


def plain(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)
