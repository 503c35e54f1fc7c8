"""How long a trade takes from the exchange's socket to a client that watches a candle: measured as a client sees it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np
import websocket
from numpy.typing import NDArray

#: Of the update of a 173-minute candle: whose it is, and the id of its newest trade.
UPDATE = re.compile(rb'"type":"ohlcv_update","symbol":"([^"]+)".{1,900}?"last_id":(\d+),')
TIMEFRAME = 173
SUBSCRIBE_SECONDS = 60.0
#: The server is told so often that this client lives (seconds).
ALIVE_SECONDS = 5.0
READ_BYTES = 262_144

#: Symbol, first and last id (both included), Unix time in ms at which they left the exchange.
Departure = tuple[str, int, int, float]


class LatencyProbe:
    """A client of /ws/stream in a thread of its own. `problem` says why it could not measure, if so."""

    def __init__(self, url: str, symbols: Sequence[str]) -> None:
        """`url` is that of the web, http://…"""
        self._url = f"ws{url.removeprefix('http')}/ws/stream"
        self._symbols = symbols
        self._arrivals: dict[str, list[tuple[int, float]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, name="latency", daemon=True)
        self._socket: websocket.WebSocket | None = None
        self.problem = ""

    def start(self) -> None:
        """Subscribe, and begin to read."""
        try:
            self._socket = websocket.create_connection(self._url, timeout=SUBSCRIBE_SECONDS, suppress_origin=True)
            timeframes = [{"timeframe": TIMEFRAME, "initial_candles": 0}]
            wanted = [{"symbol": symbol, "timeframes": timeframes} for symbol in self._symbols]
            self._socket.send(json.dumps({"action": "subscribe", "subscriptions": wanted}))
            while json.loads(self._socket.recv())["type"] != "subscription_result":
                pass
        except (OSError, ValueError, KeyError, websocket.WebSocketException) as error:
            self.problem = f"The time from frame to client cannot be measured: {error}"
            return
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        if self._socket is not None:
            self._socket.close(timeout=1)

    def percentiles(self, departures: Iterable[Departure]) -> dict[str, float | None]:
        """p50 and p99 (ms) over every trade that left and came; None when none did."""
        sent: dict[str, list[tuple[int, int, float]]] = {}
        for symbol, first, last, at in departures:
            sent.setdefault(symbol, []).append((first, last, at))
        found = [delays(sent[symbol], self._arrivals[symbol]) for symbol in sent.keys() & self._arrivals.keys()]
        all_delays = np.concatenate(found) if found else np.empty(0)
        if not len(all_delays):
            return {"p50": None, "p99": None}
        p50, p99 = np.percentile(all_delays, (50, 99))
        return {"p50": round(float(p50), 1), "p99": round(float(p99), 1)}

    def _read(self) -> None:
        """Frames are not taken apart one by one: that would cost more than what is measured."""
        assert self._socket is not None
        assert self._socket.sock is not None
        self._socket.sock.settimeout(0.5)
        rest = b""
        alive = time.monotonic()
        while not self._stop.is_set():
            try:
                data = self._socket.sock.recv(READ_BYTES)
                if not data:
                    self.problem = "The time from frame to client was not measured to the end: the web hung up."
                    return
            except TimeoutError:
                data = b""
            now = time.time() * 1000
            text, end = rest + data, 0
            for match in UPDATE.finditer(text):
                self._arrivals.setdefault(match[1].decode(), []).append((int(match[2]), now))
                end = match.end()
            rest = text[end:][-2000:]
            if time.monotonic() - alive > ALIVE_SECONDS:
                alive = time.monotonic()
                self._socket.send('{"action":"ping"}')


def delays(sent: Sequence[tuple[int, int, float]], arrived: Sequence[tuple[int, float]]) -> NDArray[np.float64]:
    """The delay (ms) of each trade: from when it left to the first candle that goes up to its id or beyond.

    sent: first id, last id, time; arrived: newest id of a candle, time. What never came is left out.
    """
    firsts, lasts, at = (np.array(column) for column in zip(*sent, strict=True))
    counts = (lasts - firsts + 1).astype(np.int64)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    ids = np.repeat(firsts.astype(np.int64), counts) + np.arange(counts.sum()) - starts
    left = np.repeat(at, counts)
    newest = np.maximum.accumulate(np.array([last for last, _ in arrived], dtype=np.int64))
    times = np.array([when for _, when in arrived])
    position = np.searchsorted(newest, ids, "left")
    came = position < len(newest)
    found: NDArray[np.float64] = times[position[came]] - left[came]
    return found
