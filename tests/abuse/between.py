"""A man in the middle of the exchange's streams: passes everything on, and says things of its own in between."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable

Frames = Iterable[bytes]


class Link:
    """One stream connection of a worker. `symbols`: what it asked for so far, in upper case."""

    def __init__(self, worker: socket.socket, exchange: socket.socket) -> None:
        self._worker, self._exchange = worker, exchange
        self._turn = threading.Lock()
        self.symbols: set[str] = set()
        self.is_open = True

    def say(self, pieces: Frames) -> bool:
        """Send bytes to the worker as if they came from the exchange; whether it took all of them."""
        with self._turn:
            try:
                for piece in pieces:
                    self._worker.sendall(piece)
            except OSError:
                return False
        return True

    def up(self) -> None:
        """From the worker to the exchange, until either goes."""
        self._pump(self._worker, self._ask)

    def down(self) -> None:
        """From the exchange to the worker, whole frames at a time."""
        self._rest = b""
        self._pump(self._exchange, self._answer)

    def end(self) -> None:
        self.is_open = False
        for each in (self._worker, self._exchange):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def _pump(self, source: socket.socket, take: Callable[[bytes], None]) -> None:
        try:
            while data := source.recv(65_536):
                take(data)
        except OSError:
            pass
        self.end()

    def _ask(self, data: bytes) -> None:
        # Its messages are masked, and each is asked in one piece.
        self.symbols |= {name.decode().upper() for name in re.findall(rb"(\w+)@aggTrade", _unmasked(data))}
        self._exchange.sendall(data)

    def _answer(self, data: bytes) -> None:
        self._rest += data
        end = _whole_frames(self._rest)
        whole, self._rest = self._rest[:end], self._rest[end:]
        with self._turn:
            self._worker.sendall(whole)


class Between:
    """Listens for workers, in front of an exchange at `port`."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._links: list[Link] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def link_of(self, symbol: str) -> Link | None:
        """The newest open connection that asked for a symbol."""
        found = [each for each in self._links if each.is_open and symbol in each.symbols]
        return found[-1] if found else None

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for each in self._links:
            each.end()

    def _accept(self) -> None:
        while True:
            try:
                worker, _ = self._socket.accept()
            except OSError:
                return
            link = Link(worker, socket.create_connection(("127.0.0.1", self._port)))
            self._links.append(link)
            for pump in (link.up, link.down):
                threading.Thread(target=pump, daemon=True).start()


def frame(payload: bytes, head: int = 0x81) -> bytes:
    """As servers send it; `head` 0x81 is a whole text message."""
    if len(payload) < 126:
        return bytes([head, len(payload)]) + payload
    if len(payload) < 65_536:
        return bytes([head, 126]) + struct.pack("!H", len(payload)) + payload
    return bytes([head, 127]) + struct.pack("!Q", len(payload)) + payload


def _whole_frames(data: bytes) -> int:
    """Where the last whole frame ends; the answer to a handshake counts as one."""
    if data.startswith(b"HTTP/"):
        return data.find(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 0
    at = 0
    while len(data) - at >= 2:
        length, start = data[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(data[start : start + 2]), start + 2
        elif length == 127:
            length, start = int.from_bytes(data[start : start + 8]), start + 8
        if start + length > len(data):
            break
        at = start + length
    return at


def _unmasked(data: bytes) -> bytes:
    if data[:1] != b"\x81":
        return b""
    length, start = data[1] & 0x7F, 2
    if length == 126:
        length, start = int.from_bytes(data[2:4]), 4
    mask, body = data[start : start + 4], data[start + 4 : start + 4 + length]
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(body))
