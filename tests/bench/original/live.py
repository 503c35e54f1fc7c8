"""Live collection as the original describes it: a frame, json.loads, a buffer, and a batch of it every second.

In its favour all symbols share few sockets (it opens one a symbol), inserts have a thread of their own, and the last
batch does not wait for its second.
"""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import websocket

from tests.bench.original.table import BATCH, OriginalTable, Row

FLUSH_SECONDS = 1.0
NAMES_PER_SOCKET = 200


class OriginalCollector:
    """Reads the streams of `symbols` in threads until `count` trades are in the table."""

    def __init__(self, url: str, symbols: list[str], table: OriginalTable) -> None:
        self._table = table
        self._buffer: list[Row] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._writer = ThreadPoolExecutor(1)
        self._sockets = []
        self.received = self.stored = 0
        for start in range(0, len(symbols), NAMES_PER_SOCKET):
            client = websocket.create_connection(f"{url}/market/stream", timeout=1)
            names = [f"{each.lower()}@aggTrade" for each in symbols[start : start + NAMES_PER_SOCKET]]
            client.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
            client.recv()
            self._sockets.append(client)
        self._threads = [threading.Thread(target=self._read, args=(each,), daemon=True) for each in self._sockets]
        self._threads.append(threading.Thread(target=self._flush_by_time, daemon=True))

    def start(self) -> None:
        """Begin to read."""
        for each in self._threads:
            each.start()

    def stop(self) -> None:
        """End everything."""
        self._stop.set()
        for client in self._sockets:
            # Nobody is to wait for the end of a read.
            client.abort()  # type: ignore[no-untyped-call]
        for each in self._threads:
            each.join(5)
        self._writer.shutdown()

    def _read(self, client: websocket.WebSocket) -> None:
        while not self._stop.is_set():
            try:
                data = json.loads(client.recv())["data"]
            except websocket.WebSocketTimeoutException:
                continue
            except (OSError, websocket.WebSocketException):
                if self._stop.is_set():
                    return
                raise
            row = (
                data["s"],
                data["a"],
                float(data["p"]),
                float(data["q"]),
                data["f"],
                data["l"],
                datetime.fromtimestamp(data["T"] / 1000, UTC),
                data["m"],
            )
            with self._lock:
                self._buffer.append(row)
                self.received += 1
                full = len(self._buffer) >= BATCH
            if full:
                self.flush()

    def _flush_by_time(self) -> None:
        while not self._stop.wait(FLUSH_SECONDS):
            self.flush()

    def flush(self) -> None:
        """Have what was read until now inserted."""
        with self._lock:
            rows, self._buffer = self._buffer, []
        if rows:
            done: Future[None] = self._writer.submit(self._table.insert, rows)
            done.add_done_callback(lambda _: self._count(len(rows)))

    def _count(self, rows: int) -> None:
        self.stored += rows


def wait_for(collector: OriginalCollector, count: int, seconds: float) -> None:
    """Until so many trades are stored; raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while collector.stored < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"the original's way stored {collector.stored:,} of {count:,} trades")
        if collector.received >= count:
            collector.flush()
        time.sleep(0.01)
