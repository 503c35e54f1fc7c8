"""An HTTP server that answers whatever bytes it is told to, for what no real one should send."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

#: What to send for a path: bytes at once, or pieces one after the other; the connection ends after them.
Answer = bytes | Callable[[], Iterator[bytes]]


class Server:
    """Answers each request with the bytes that are set for its path, whatever they are."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[str] = []
        self.stopped = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self.stopped.set()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(10)
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(65_536)
                if not received:
                    return
                request += received
            self.requests.append(request.decode())
            answer = self.answers.get(request.split(b" ")[1].decode().partition("?")[0], head(404))
            try:
                for piece in [answer] if isinstance(answer, bytes) else answer():
                    connection.sendall(piece)
            except OSError:
                return


@pytest.fixture
def start_stub() -> Iterator[Callable[[], Server]]:
    """Start such servers; they are closed after the test, however it ends."""
    started: list[Server] = []

    def start() -> Server:
        started.append(Server())
        return started[-1]

    yield start
    for each in started:
        each.close()


@pytest.fixture
def stub(start_stub: Callable[[], Server]) -> Server:
    """One of them."""
    return start_stub()


def head(status: int, length: int | None = 0, *lines: str) -> bytes:
    given = [f"HTTP/1.1 {status} X", "Connection: close", *lines]
    given += [f"Content-Length: {length}"] if length is not None else []
    return ("\r\n".join(given) + "\r\n\r\n").encode()


def ok(body: bytes, *lines: str) -> bytes:
    return head(200, len(body), *lines) + body
