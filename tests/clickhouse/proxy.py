"""A network that can fail: a TCP forwarder in front of a real service."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Proxy:
    """Forwards connections on its own `host` and `port` to `target`; can go silent, cut what is open, or be away."""

    def __init__(self, target: tuple[str, int], host: str = "127.0.0.1") -> None:
        """`host`: the address of this machine that it listens on."""
        self._target = target
        self.host = host
        self._passable = threading.Event()
        self._passable.set()
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.accepted = 0
        #: After so many more bytes to the service nothing it says is handed on any more; connections stay open.
        self.lose_answers_after: int | None = None
        #: Every answer is held back for so many seconds.
        self.delay = 0.0
        self._listener = socket.create_server((host, 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hold(self) -> None:
        """Nothing gets through any more, either way, and nobody is told: the cable is out."""
        self._passable.clear()

    def let_go(self) -> None:
        """It is in again, and what was on its way arrives."""
        self._passable.set()

    def cut(self) -> None:
        """Close every connection that is open, both ways."""
        with self._lock:
            ends, self._open = self._open, []
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def go_away(self) -> None:
        """Stop listening and cut everything."""
        # On Linux close() alone leaves a thread that is inside accept() there.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        self.let_go()

    def come_back(self) -> None:
        """Listen on the same port again."""
        self._listener = socket.create_server((self.host, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._passable.wait()
            try:
                service = self._connect()
            except OSError:
                client.close()
                continue
            service.settimeout(None)
            for end in (client, service):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.accepted += 1
                self._open += [client, service]
            threading.Thread(target=self._copy, args=(client, service, False), daemon=True).start()
            threading.Thread(target=self._copy, args=(service, client, True), daemon=True).start()

    def _connect(self) -> socket.socket:
        """A connection to the service; raises OSError."""
        return socket.create_connection(self._target, timeout=5)

    def _is_lost(self) -> bool:
        with self._lock:
            return self.lose_answers_after is not None and self.lose_answers_after <= 0

    def _count(self, sent: int) -> None:
        with self._lock:
            if self.lose_answers_after is not None:
                self.lose_answers_after -= sent

    def _copy(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:
        try:
            while data := source.recv(1 << 16):
                self._passable.wait()
                if is_answer and self._is_lost():
                    continue
                if not is_answer:
                    self._count(len(data))
                elif self.delay:
                    threading.Event().wait(self.delay)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            self._passable.wait()
            try:
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass


@contextmanager
def proxy_to(host: str, port: int, *, listen: str = "127.0.0.1") -> Iterator[Proxy]:
    """A proxy for the length of a `with` block, at this machine's address `listen`."""
    proxy = Proxy((host, port), listen)
    try:
        yield proxy
    finally:
        proxy.go_away()
