"""One connection to the exchange's market streams.

websocket-client makes the connection (TLS, proxies, handshake) and sends; reading is done here, many frames at a time,
since one `recv()` a frame costs five times as much as everything else that happens to a trade.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterable
from typing import Any

import websocket

RECEIVE_BYTES = 1 << 18
READS_PER_TURN = 4
#: Larger frames than this are not the exchange's (its largest, a kline, is under 1 kB).
MAX_FRAME_BYTES = 1 << 20
#: A message comes in one frame; more pieces than this are not the exchange's either, however small they are.
MAX_FRAGMENTS = 1024
#: Pings, pongs and closes have no longer payload (RFC 6455, 5.5).
MAX_CONTROL_BYTES = 125
SEND_TIMEOUT = 5.0
#: A handshake that drips never times out; this ends it (seconds).
HANDSHAKE_SECONDS = 15.0
#: Names in one SUBSCRIBE; 200 pass.
NAMES_PER_MESSAGE = 200

_TEXT, _BINARY, _CLOSE, _PING, _PONG, _CONTINUATION = 0x1, 0x2, 0x8, 0x9, 0xA, 0x0


class StreamClosed(Exception):
    """The connection is over; `str()` says why."""


class StreamConnection:
    """A connected combined stream; not thread-safe, and never blocks on reading."""

    def __init__(self, base_url: str, *, timeout: float = 10.0) -> None:
        """Connect to `<base_url>/market/stream` (blocks up to `timeout` seconds); raises StreamClosed."""
        # The legacy addresses /ws and /stream accept, acknowledge, and never send a trade (since 2026-04-23).
        self._client = websocket.WebSocket(
            enable_multithread=False,
            skip_utf8_validation=True,
            sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)],
        )
        self._client.settimeout(timeout)
        ending = threading.Timer(HANDSHAKE_SECONDS, self._give_up)
        ending.daemon = True
        ending.start()
        try:
            self._client.connect(f"{base_url}/market/stream")  # type: ignore[no-untyped-call]
        except (OSError, ssl.SSLError, websocket.WebSocketException, ValueError) as error:
            raise StreamClosed(f"could not connect: {_first_line(error)}") from error
        finally:
            ending.cancel()
        connected: Any = self._client.sock
        self._socket = connected
        self._socket.settimeout(0.0)
        self._frames = FrameReader()
        self._failure: StreamClosed | None = None
        self._next_request = 1

    def fileno(self) -> int:
        """The socket's descriptor, for a selector."""
        return int(self._socket.fileno())

    def read(self) -> list[bytes]:
        """The text frames that have arrived (none is fine); answers pings.

        Reads at most a few receive buffers, so that one busy connection does not starve the others. Raises
        StreamClosed, but only after the frames that arrived before the end were returned.
        """
        payloads: list[bytes] = []
        if self._failure is None:
            try:
                self._read_into(payloads)
            except StreamClosed as failure:
                self._failure = failure
        if self._failure is not None and not payloads:
            raise self._failure
        return payloads

    def _read_into(self, payloads: list[bytes]) -> None:
        for _ in range(READS_PER_TURN):
            try:
                data = self._socket.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise StreamClosed(f"connection lost: {_first_line(error)}") from error
            if not data:
                raise StreamClosed("the exchange closed the connection")
            self._frames.feed(data, payloads)
            for ping in self._frames.take_pings():
                # Not waiting for one that pings and does not read: the other connections would wait as well.
                self._send(ping, _PONG, timeout=0.0)
            if self._frames.close_reason is not None:
                raise StreamClosed(f"the exchange closed the connection: {self._frames.close_reason}")

    def subscribe(self, symbols: Iterable[str]) -> int:
        """Ask for the aggregated trades of at most NAMES_PER_MESSAGE symbols; the request's id. Raises StreamClosed."""
        return self._request("SUBSCRIBE", symbols)

    def unsubscribe(self, symbols: Iterable[str]) -> int:
        """The contrary of `subscribe`."""
        return self._request("UNSUBSCRIBE", symbols)

    def close(self) -> None:
        """Close without waiting for the other side."""
        try:
            self._socket.close()
        except OSError:
            pass

    def _give_up(self) -> None:
        connected: Any = self._client.sock
        if connected is not None:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _request(self, method: str, symbols: Iterable[str]) -> int:
        request = self._next_request
        self._next_request += 1
        # Names in lower case: an upper-case name is acknowledged and silent.
        names = [f"{symbol.lower()}@aggTrade" for symbol in symbols]
        text = json.dumps({"method": method, "params": names, "id": request}, ensure_ascii=False)
        self._send(text.encode(), _TEXT)
        return request

    def _send(self, payload: bytes, opcode: int, timeout: float = SEND_TIMEOUT) -> None:
        try:
            self._socket.settimeout(timeout)
            self._client.send(payload, opcode)
        except (OSError, ssl.SSLError, websocket.WebSocketException) as error:
            raise StreamClosed(f"could not send: {_first_line(error)}") from error
        finally:
            try:
                self._socket.settimeout(0.0)
            except OSError:
                pass


class FrameReader:
    """Server-to-client WebSocket frames (RFC 6455: never masked, no extension agreed) out of a byte stream."""

    def __init__(self) -> None:
        self._rest = b""
        self._fragments: list[bytes] = []
        self._fragment_bytes = 0
        self._pings: list[bytes] = []
        self.close_reason: str | None = None

    def take_pings(self) -> list[bytes]:
        """What wants a pong: of the pings since the last call the newest, as RFC 6455 (5.5.3) allows."""
        pings, self._pings = self._pings, []
        return pings

    def feed(self, data: bytes, payloads: list[bytes]) -> None:
        """Add received bytes; append each whole text message to `payloads`. Raises StreamClosed on a broken frame."""
        buffer = self._rest + data if self._rest else data
        position, end = 0, len(buffer)
        while end - position >= 2:
            head, length = buffer[position], buffer[position + 1]
            start = position + 2
            if length > 125:
                if length == 126:
                    if end - start < 2:
                        break
                    length = (buffer[start] << 8) | buffer[start + 1]
                    start += 2
                elif length == 127:
                    if end - start < 8:
                        break
                    (length,) = struct.unpack_from("!Q", buffer, start)
                    start += 8
                else:
                    raise StreamClosed("the exchange sent a masked frame")
                if length > MAX_FRAME_BYTES:
                    raise StreamClosed(f"the exchange sent a frame of {length} bytes")
            if start + length > end:
                break
            position = start + length
            if head == 0x81:
                payloads.append(buffer[start:position])
            else:
                self._other(head, buffer[start:position], payloads)
                if self.close_reason is not None:
                    position = end
                    break
        self._rest = buffer[position:]

    def _other(self, head: int, payload: bytes, payloads: list[bytes]) -> None:
        opcode, final = head & 0x0F, bool(head & 0x80)
        if head & 0x70:
            raise StreamClosed("the exchange sent a frame with reserved bits")
        if opcode >= _CLOSE and (not final or len(payload) > MAX_CONTROL_BYTES):
            raise StreamClosed("the exchange sent a control frame that is long or in pieces")
        if opcode == _PING:
            self._pings = [payload]
        elif opcode == _CLOSE:
            self.close_reason = _close_reason(payload)
        elif opcode in (_TEXT, _BINARY, _CONTINUATION):
            self._fragments.append(payload)
            self._fragment_bytes += len(payload)
            if self._fragment_bytes > MAX_FRAME_BYTES or len(self._fragments) > MAX_FRAGMENTS:
                raise StreamClosed("the exchange sent a message without end")
            if final:
                payloads.append(b"".join(self._fragments))
                self._fragments.clear()
                self._fragment_bytes = 0
        elif opcode != _PONG:
            raise StreamClosed(f"the exchange sent a frame of unknown kind {opcode}")


def _close_reason(payload: bytes) -> str:
    if len(payload) < 2:
        return "no reason given"
    (code,) = struct.unpack_from("!H", payload)
    return f"{code} {payload[2:].decode('utf-8', 'replace')}".strip()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
