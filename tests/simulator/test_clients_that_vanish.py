"""Clients that are gone before their handshake is answered cost the simulator nothing, no traceback either."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from tests.fixtures_exchange import RunningExchange

HANDSHAKE = (
    b"GET /market/stream?streams=btcusdt@aggTrade HTTP/1.1\r\nHost: simulator\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def test_a_client_that_resets_its_handshake(start_exchange: Callable[..., RunningExchange]) -> None:
    exchange = start_exchange(symbols=1, rate=10)
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", exchange.port)) as client:
            # Closing is a reset then.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(HANDSHAKE)
    assert exchange.get("/fapi/v1/ping") == {}
    assert "Traceback" not in exchange.errors
