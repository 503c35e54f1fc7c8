"""A stream client for the tests, on websocket-client: what was sent, as it was sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import orjson
import websocket

Message = dict[str, Any]


class StreamClient:
    """One connection. Messages are kept in `messages` as they come; waiting has a deadline."""

    def __init__(self, url: str, **options: Any) -> None:
        self.socket = websocket.create_connection(url, timeout=10, **options)
        self.messages: list[Message] = []
        #: The aggTrade events among them, unwrapped.
        self.trades: list[Message] = []
        self.pongs: list[bytes] = []
        #: Texts that are not JSON objects.
        self.broken: list[str] = []
        #: Code and reason of the closing frame, (None, "") when the connection was cut.
        self.closed: tuple[int | None, str] | None = None

    def __enter__(self) -> StreamClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.shutdown()  # type: ignore[no-untyped-call]

    def send(self, body: object) -> None:
        self.socket.send(body if isinstance(body, str) else orjson.dumps(body).decode())

    def ask(self, method: str, *params: str, id: int | str = 1) -> Message:
        """Send a command and return its answer."""
        self.send({"method": method, "params": list(params), "id": id})
        return self.wait_for(lambda message: message.get("id") == id, f"the answer to {method}")

    def wait_for(self, wanted: Callable[[Message], bool], what: str, seconds: float = 20) -> Message:
        """The first message that is wanted; those before it are kept too."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            message = self._next(deadline)
            if message is not None and wanted(message):
                return message
            if self.closed is not None:
                break
        raise AssertionError(f"no {what} within {seconds:g} s; closed: {self.closed}")

    def read_until(self, condition: Callable[[], object], what: str, seconds: float = 30) -> None:
        """Read until the condition is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline or self.closed is not None:
                raise AssertionError(f"no {what} within {seconds:g} s; {len(self.messages)} messages; {self.closed}")
            self._next(min(deadline, time.monotonic() + 0.2))

    def read_for(self, seconds: float) -> None:
        """Read whatever comes in that time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.closed is None:
            self._next(deadline)

    def read_until_closed(self, seconds: float) -> tuple[int | None, str]:
        """Read until the connection is closed, and say how it was."""
        deadline = time.monotonic() + seconds
        while self.closed is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"still open after {seconds:g} s")
            self._next(deadline)
        return self.closed

    def trades_of(self, symbol: str) -> list[Message]:
        return [trade for trade in self.trades if trade.get("s") == symbol]

    def _next(self, deadline: float) -> Message | None:
        self.socket.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            opcode, frame = self.socket.recv_data_frame(control_frame=True)
            data = frame.data
        except websocket.WebSocketTimeoutException:
            return None
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            self.closed = (None, "")
            return None
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.closed = (int.from_bytes(data[:2], "big"), data[2:].decode())
            return None
        if opcode == websocket.ABNF.OPCODE_PONG:
            self.pongs.append(data)
        if opcode != websocket.ABNF.OPCODE_TEXT:
            return None
        try:
            message = orjson.loads(data)
        except orjson.JSONDecodeError:
            message = None
        if not isinstance(message, dict):
            self.broken.append(data.decode())
            return None
        self.messages.append(message)
        event = message.get("data", message)
        if isinstance(event, dict) and event.get("e") == "aggTrade":
            self.trades.append(event)
        return message


def has_no_holes(ids: list[int]) -> bool:
    return ids == list(range(ids[0], ids[0] + len(ids))) if ids else True
