"""WebSocket clients that mean harm: they are bounded, refused or closed, and everybody else is served meanwhile."""

from __future__ import annotations

import json
import select
import socket
from collections.abc import Callable
from contextlib import suppress

import pytest
import websocket

from api.streaming.requests import LARGEST_MESSAGE
from tests.abuse.web import MB, assert_served, connect
from tests.api.conftest import Server
from tests.waiting import wait_until

MASK = b"\0\0\0\0"


def test_compression_is_not_agreed_so_that_no_bomb_has_a_way_in(web: Server) -> None:
    client = connect(web, header=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert "sec-websocket-extensions" not in client.headers
    client.sock.sendall(b"\xc1\x85" + MASK + b"\xec\xc1\x01\x01\x00")  # type: ignore[union-attr]
    assert ended(client)


def ended(client: websocket.WebSocket) -> bool:
    """Whether the server ends it, whatever it says before."""
    try:
        while client.recv():
            pass
    except websocket.WebSocketTimeoutException:
        return False
    except (OSError, websocket.WebSocketException):
        pass
    client.shutdown()  # type: ignore[no-untyped-call]
    return True


@pytest.mark.parametrize("path", ["/ws/stream", "/market/ws", "/stream"])
@pytest.mark.parametrize(
    "said",
    [
        lambda: [b"\x81\xff" + (100 * MB).to_bytes(8) + MASK, *[b"x" * MB] * 20],
        lambda: [b"\x01\x80" + MASK, *[(b"\x00\xff" + (60_000).to_bytes(8) + MASK + b"x" * 60_000)] * 100],
        lambda: [b"\x89\xfe" + (60_000).to_bytes(2) + MASK + b"x" * 60_000],
        lambda: [b"\x81\x05hello"],
    ],
    ids=["100 MB", "pieces", "long ping", "unmasked"],
)
def test_frames_without_end_end_the_connection(web: Server, path: str, said: Callable[[], list[bytes]]) -> None:
    client = connect(web, path)
    with suppress(OSError):
        for piece in said():
            client.sock.sendall(piece)  # type: ignore[union-attr]
    assert ended(client)


def send_until_stuck(client: websocket.WebSocket, data: bytes, most: int) -> int:
    """Send without reading; how many bytes the other side took before it stopped taking for a while."""
    assert client.sock is not None
    client.sock.settimeout(1.5)
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += client.sock.send(data)
    return sent


def test_who_pings_and_never_reads_is_not_read_either(web: Server) -> None:
    client = connect(web, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    ping = b"\x89\xfd" + MASK + b"?" * 125
    assert send_until_stuck(client, ping * 1000, 200 * MB) < 60 * MB
    assert_served(web)
    client.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("symbols", [["BTCUSDT"], [f"NONE{number}" for number in range(700)]])
def test_who_asks_faster_than_can_be_answered_is_read_slower(web: Server, symbols: list[str]) -> None:
    asked = [{"symbol": each, "timeframes": [{"timeframe": 7}]} for each in symbols]
    text = json.dumps({"action": "subscribe", "subscriptions": asked}).ljust(60_000).encode()
    clients = [connect(web) for _ in range(3)]
    for client in clients:
        taken = send_until_stuck(client, b"\x81\xfe" + len(text).to_bytes(2) + MASK + text, 40 * MB)
        # What one message asks for 700 times takes longer to obey than to send.
        assert taken < 40 * MB or len(symbols) == 1
        assert_served(web)
    for client in clients:
        client.shutdown()  # type: ignore[no-untyped-call]


def test_ten_thousand_subscriptions_are_as_many_as_there_may_be(web: Server) -> None:
    client = connect(web)
    done = failed = 0
    for first in range(1, 10_001, 2_000):
        timeframes = [{"timeframe": each, "initial_candles": 0} for each in range(first, first + 2_000)]
        message = json.dumps(
            {"action": "subscribe", "subscriptions": [{"symbol": "BTCUSDT", "timeframes": timeframes}]},
            separators=(",", ":"),
        )
        # Too long by a little: five times four messages.
        assert len(message) > LARGEST_MESSAGE
        for part in range(0, 2_000, 500):
            asked = [{"symbol": "BTCUSDT", "timeframes": timeframes[part : part + 500]}]
            client.send(json.dumps({"action": "subscribe", "subscriptions": asked}))
            while (answer := json.loads(client.recv()))["type"] != "subscription_result":
                pass
            done += len(answer["successful_subscriptions"])
            failed += len(answer["failed_subscriptions"])
    assert (done, failed) == (50, 9_950)
    assert answer["failed_subscriptions"][0]["reason"] == "a connection may have 50 subscriptions"
    client.close(timeout=1)
    names = "/".join(f"btcusdt@kline_{number}m" for number in range(1, 600))
    client = connect(web, f"/stream?streams={names}")
    assert "Too many subscriptions" in client.recv()
    client.close(timeout=1)


def test_many_connections_are_as_many_as_there_may_be(web: Server) -> None:
    wait_until(lambda: open_connections(web) == 0, 10, "those of other tests to be gone")
    clients = [connect(web) for _ in range(200)]
    try:
        # They are counted before their handshakes end: the first ten stay.
        wait_until(lambda: len(spoken_to(clients)) == 190, 20, "all but ten to be told something")
        told = {json.loads(client.recv())["message"] for client in clients[10:]}
        assert told == {"An address may have 10 connections."}
    finally:
        for client in clients:
            client.shutdown()  # type: ignore[no-untyped-call]
    wait_until(lambda: open_connections(web) == 0, 10, "them to be gone")


def open_connections(web: Server) -> int:
    count: int = web.data("/api/v1/monitoring/health")["websocket_connections"]
    return count


def spoken_to(clients: list[websocket.WebSocket]) -> list[websocket.WebSocket]:
    """Those to whom the server has said something that was not read yet."""
    by_socket = {client.sock: client for client in clients if client.sock is not None}
    readable, _, _ = select.select(list(by_socket), [], [], 0)
    return [by_socket[each] for each in readable]
