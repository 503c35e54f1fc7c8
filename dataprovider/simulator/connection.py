"""One client of the streams: its subscriptions, its limits, and what waits to be sent to it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import web

from dataprovider.simulator.frames import websocket_frame

PING_OPCODE = 0x89
PONG_OPCODE = 0x8A


class Connection:
    """A WebSocket whose trade frames are written to the transport directly, many at once.

    `wrapped`: messages carry their stream's name. `silent`: the address accepts everything and never sends a trade.
    `monotonic` gives seconds.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        *,
        wrapped: bool,
        silent: bool,
        burst: int,
        monotonic: Callable[[], float],
    ) -> None:
        self.socket = socket
        self.wrapped = wrapped
        self.silent = silent
        #: Switched on by a fault: the socket stays open, nothing is sent any more, not even pongs.
        self.half_open = False
        #: Names in the order they were subscribed.
        self.streams: dict[str, None] = {}
        #: Frames of the current tick.
        self.outgoing: list[bytes] = []
        #: Frames kept back by the reorder fault, by contract.
        self.held: dict[int, bytes] = {}
        self.opened = monotonic()
        self.last_ping = self.opened
        self.pong_due: float | None = None
        self._monotonic = monotonic
        self._transport = transport
        self._burst = burst
        self._allowance = float(burst)
        self._last_message = self.opened
        self._delayed: deque[tuple[float, bytes]] = deque()
        self._delayed_bytes = 0
        self._closing = False

    @property
    def is_open(self) -> bool:
        return not self._closing and not self._transport.is_closing()

    @property
    def waiting_bytes(self) -> int:
        return self._transport.get_write_buffer_size() + self._delayed_bytes

    def may_send_message(self, per_s: float) -> bool:
        """Count a message of the client; False when it sends too many."""
        now = self._monotonic()
        self._allowance = min(self._burst, self._allowance + (now - self._last_message) * per_s)
        self._last_message = now
        self._allowance -= 1
        return self._allowance >= 0

    def flush(self, delay_s: float = 0.0) -> None:
        """Hand this tick's frames to the socket in one write, or after `delay_s`."""
        data = b"".join(self.outgoing)
        self.outgoing.clear()
        if delay_s or self._delayed:
            self._delayed.append((self._monotonic() + delay_s, data))
            self._delayed_bytes += len(data)
            self.flush_delayed()
        else:
            self._write(data)

    def flush_delayed(self) -> None:
        now = self._monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            data = self._delayed.popleft()[1]
            self._delayed_bytes -= len(data)
            self._write(data)

    def send(self, payload: bytes) -> None:
        """One text message at once."""
        self._write(websocket_frame(payload))

    def ping(self, payload: bytes, pong_within_s: float) -> None:
        self.last_ping = self._monotonic()
        if self.pong_due is None:
            self.pong_due = self.last_ping + pong_within_s
        self._write(bytes((PING_OPCODE, len(payload))) + payload)

    def pong(self, payload: bytes) -> None:
        self._write(bytes((PONG_OPCODE, len(payload))) + payload)

    async def close(self, code: int, reason: str) -> None:
        """Close with a code; nothing is sent after it."""
        self._closing = True
        if not self.half_open:
            await self.socket.close(code=code, message=reason.encode())

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._closing = True
        self._transport.abort()

    def _write(self, data: bytes) -> None:
        if data and not self.half_open and not self._closing and not self._transport.is_closing():
            self._transport.write(data)
