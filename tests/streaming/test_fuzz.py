"""Whatever is sent, it is answered in the protocol's words, and the connection and the log stay clean."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import websocket

from dataprovider.clickhouse import ClickHouse
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.streaming.conftest import Client, Connect, StartServer

CODES = {
    "INVALID_JSON", "UNKNOWN_ACTION", "INVALID_SUBSCRIPTION", "INVALID_UNSUBSCRIPTION", "INVALID_TIMEFRAME",
    "MESSAGE_ERROR",
}  # fmt: skip
ANSWERS = {"subscription_result", "unsubscription_result", "initial_history", "pong", "error"}
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 1e400, 2**63, 2**64, 10**400, "", "x", "BTCUSDT", "\0", "\ud800", "💥" * 40, "a" * 70_000,
    [], {}, [[]], [{}], {"symbol": None}, [None], {"timeframe": 1}, [{"timeframe": 1, "initial_candles": 2}],
]  # fmt: skip


def messages(source: random.Random) -> list[str | bytes]:
    """Valid messages with one or a few things wrong."""
    found: list[str | bytes] = []
    for _ in range(400):
        entry: Any = {"symbol": "BTCUSDT", "timeframes": [{"timeframe": 7, "initial_candles": 3}]}
        message: Any = source.choice(
            [
                {"action": "subscribe", "subscriptions": [entry]},
                {"action": "unsubscribe", "unsubscriptions": [{**entry, "timeframes": [7]}]},
                {"action": "ping", "timestamp": 1},
            ]
        )
        message = json.loads(json.dumps(message))
        for _ in range(source.randrange(1, 3)):
            spoil(message, source)
        text = json.dumps(message, ensure_ascii=source.random() < 0.5)
        if source.random() < 0.3:
            at = source.randrange(len(text))
            text = text[:at] + source.choice(["", "\0", "[" * 2000, '"', "}", "\\ud800", "é"]) + text[at + 1 :]
        data = text.encode("utf-8", "surrogatepass") if source.random() < 0.1 else text
        found.append(data if isinstance(data, bytes) else data.encode("utf-8", "replace").decode())
    return found


def spoil(message: Any, source: random.Random) -> None:
    """Replace, remove or add one thing somewhere inside."""
    keys = list(message) if isinstance(message, dict) else list(range(len(message)))
    key = source.choice(keys)
    if isinstance(message[key], dict | list) and message[key] and source.random() < 0.6:
        spoil(message[key], source)
    elif source.random() < 0.2 and isinstance(message, dict):
        del message[key]
        message["other"] = source.choice(ODD)
    else:
        message[key] = source.choice(ODD)


def answers_to(client: Client, message: str | bytes) -> list[dict[str, Any]]:
    """Everything that is sent until the ping behind the message is answered."""
    if isinstance(message, bytes):
        client.socket.send_binary(message)
    else:
        client.socket.send(message)
    client.send(action="ping", timestamp="behind it")
    seen = len(client.frames)
    client.until(lambda frame: frame.get("client_timestamp") == "behind it", "answer to a ping")
    return client.frames[seen:-1]


def test_malformed_messages_are_answered_and_end_nothing(
    start_server: StartServer, clickhouse: ClickHouse, transactional_db: None, connect: Connect, tmp_path: Path
) -> None:
    store(clickhouse, [Row(1, NEW_YEAR)])
    client = connect(start_server())
    errors = set()
    for message in messages(random.Random(4)):
        answers = answers_to(client, message)
        assert answers, message
        assert {each["type"] for each in answers} <= ANSWERS, message
        errors |= {each["error_code"] for each in answers if each["type"] == "error"}
    assert errors == CODES
    assert "Traceback" not in (tmp_path / "daphne.log").read_text()


def test_what_is_no_text_or_far_too_long_ends_with_a_close_code(
    start_server: StartServer, connect: Connect, tmp_path: Path
) -> None:
    server = start_server()
    # Masked with zeros: text that is not UTF-8, and a kind of frame that does not exist.
    for frame, code in ((b"\x81\x82\0\0\0\0\xff\xfe", 1007), (b"\x83\x80\0\0\0\0", 1002)):
        assert code_after(frame, lambda: connect(server)) == code
    client = connect(server)
    # It is cut off while it is still being sent: whether its close frame is read before that is a matter of luck.
    with suppress(OSError):
        client.socket.send(b"x" * 4_000_000)
    with pytest.raises((OSError, websocket.WebSocketException)):
        client.next()
    assert "Traceback" not in (tmp_path / "daphne.log").read_text()


def code_after(frame: bytes, connect: Callable[[], Client]) -> int:
    """What the connection ends with. A server that stood still for a second resets it: then once more."""
    for _ in range(10):
        client = connect()
        assert client.socket.sock is not None
        client.socket.sock.sendall(frame)
        with suppress(ConnectionResetError):
            return close_code(client)
    raise AssertionError("every connection was reset")


def close_code(client: Client) -> int:
    opcode, data = client.socket.recv_data(control_frame=True)
    while opcode != 0x8:
        opcode, data = client.socket.recv_data(control_frame=True)
    return int.from_bytes(data[:2], "big")
