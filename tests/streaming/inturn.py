"""A proxy before several web processes that knows nothing of HTTP: each connection goes to the next of them."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence

from tests.clickhouse.proxy import Proxy

HOST = "127.0.0.1"


class InTurn(Proxy):
    """Hands each connection to the next process, whoever it is from; one that does not answer is passed over."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turn = 0
        #: How many connections each port got.
        self.handed: Counter[int] = Counter()
        super().__init__((HOST, ports[0]))

    def _connect(self) -> socket.socket:
        for _ in self._ports:
            port = self._ports[self._turn % len(self._ports)]
            self._turn += 1
            try:
                service = socket.create_connection((HOST, port), timeout=5)
            except OSError:
                continue
            self.handed[port] += 1
            return service
        raise ConnectionRefusedError("none of them answers")
