"""A bounded pool of connections to one ClickHouse server."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from clickhouse_driver import Client
from clickhouse_driver import errors as driver

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.errors import ClickHouseUnavailable, translated


class _Slots:
    """A semaphore that serves its callers in the order they came.

    A plain one goes to whoever asks at the right moment: a thread that asks in a loop starves the others.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    def acquire(self, timeout: float) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Event()
            self._waiting.append(turn)
        if turn.wait(timeout):
            return True
        with self._lock:
            if turn.is_set():
                return True
            self._waiting.remove(turn)
            return False

    def release(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._free += 1


class Pool:
    """At most `size` connections, made when they are first needed, each lent to one thread at a time.

    A connection that failed in any way, or whose borrower was interrupted, is closed and forgotten; the next borrower
    gets another. Idle ones are checked by clickhouse-driver's ping, so a server that was restarted is not noticed.
    """

    def __init__(self, address: Address, *, size: int, connect_timeout: float, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._settings: dict[str, Any] = {
            "server_side_params": True,
            # Only the answer's silence is timed on the socket; the whole of a query is timed by the server.
            "max_execution_time": str(timeout),
            "async_insert": 0,
            # Of the table that reads all nodes: only those are asked that may have what is looked for.
            "optimize_skip_unused_shards": 1,
        }
        self._connection: dict[str, Any] = {
            "host": address.host,
            "port": address.port,
            "database": address.database,
            "user": address.username,
            "password": address.password,
            "connect_timeout": connect_timeout,
            "sync_request_timeout": connect_timeout,
            # The server's own verdict should come first: it says more.
            "send_receive_timeout": timeout + 1,
            "client_name": "dataprovider",
        }
        self._slots = _Slots(size)
        self._lock = threading.Lock()
        self._idle: list[Client] = []
        self._closed = False

    @contextmanager
    def lend(self) -> Iterator[Client]:
        """A connection for the length of a `with` block; the driver's errors leave it as ClickHouseError.

        Raises ClickHouseUnavailable when all connections are busy for longer than the time-out, and when the pool was
        closed. Anything else that is raised inside passes through, and the connection is dropped.
        """
        deadline = time.monotonic() + self._timeout
        if not self._slots.acquire(self._timeout):
            raise ClickHouseUnavailable(f"All connections to ClickHouse at {self._address} are busy.")
        try:
            client = self._take()
            # Time spent in the queue is not given again to the query.
            client.settings["max_execution_time"] = f"{max(0.05, deadline - time.monotonic()):.3f}"
            healthy = False
            try:
                yield client
                healthy = True
            except (driver.Error, OSError, EOFError) as error:
                raise translated(error, self._address) from None
            finally:
                self._give_back(client, healthy=healthy)
        finally:
            self._slots.release()

    def close(self) -> None:
        """Close every connection: idle ones now, lent ones when they come back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.disconnect()

    def _take(self) -> Client:
        with self._lock:
            if self._closed:
                raise ClickHouseUnavailable("This connection to ClickHouse was closed.")
            if self._idle:
                return self._idle.pop()
        return Client(**self._connection, settings=dict(self._settings))

    def _give_back(self, client: Client, *, healthy: bool) -> None:
        with self._lock:
            if healthy and not self._closed:
                self._idle.append(client)
                return
        client.disconnect()
