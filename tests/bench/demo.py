"""`manage.py demo` as a user starts it: to its first live candle, and then from the exchange's socket to a client."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import websocket
from clickhouse_driver import Client

from dataprovider.config import EXCHANGE_FILE
from dataprovider.running.children import Child, manage
from dataprovider.running.exchange import Exchange
from dataprovider.running.latency import LatencyProbe, delays
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground

RATE = 5_000
#: In a quick run, and in a full one.
SYMBOLS = (100, 300)
LONGEST = 60.0
#: The original looks once a second at what it stores once a second.
POLL_SECONDS = 1.0


def measure(ground: Ground) -> list[Figure]:
    """Each turn in a folder that was never used, so that databases are made too."""
    starts: list[float] = []
    p50s: list[float] = []
    p99s: list[float] = []
    polled: list[float] = []
    watched, looked = ground.choose((25, 1.5), (200, 15.0))
    symbols = ground.choose(*SYMBOLS)
    for turn in range(ground.choose(1, 3)):
        with _demo(ground, ground.home / f"demo-{turn}", symbols) as (url, seconds):
            starts.append(seconds)
            p50, p99, poll = _waits(ground.home / f"demo-{turn}" / "demo", url, watched, looked)
        p50s.append(p50)
        p99s.append(p99)
        polled.append(poll)
        ground.say(f"demo: first candle after {seconds:.1f} s; frame to client p50 {p50:.0f} ms, p99 {p99:.0f} ms")
    work = f"{symbols} symbols, {RATE:,} trades/s, one client that watches {watched} of them"
    return [
        Figure(
            "start_to_first_candle_s",
            "start of `demo` to the first live candle",
            "s",
            Sample(starts),
            at_most=8,
            note=f"{symbols} symbols, {RATE:,} trades/s, databases made anew",
        ),
        Figure(
            "frame_to_client_ms.p50",
            "exchange's frame to client's frame, p50",
            "ms",
            Sample(p50s),
            Sample(polled),
            "the table asked once a second, p50",
            at_most=20,
            note=work,
        ),
        Figure("frame_to_client_ms.p99", "the same, p99", "ms", Sample(p99s), at_most=50, note=work),
    ]


@contextmanager
def _demo(ground: Ground, home: Path, symbols: int) -> Iterator[tuple[str, float]]:
    """Its URL, and how long its first candle took (seconds)."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {name: value for name, value in os.environ.items() if value and not _is_ours(name)}
    environ |= {"DATAPROVIDER_HOME": str(home), "LOGS_DIR": str(home / "logs")}
    asked = ("--port", port, "--symbols", symbols, "--rate", RATE)
    demo = Child("demo", manage("demo", *map(str, asked)), environ, ground.home / "logs" / f"{home.name}.log")
    began = time.monotonic()
    with ground.running(demo):
        demo.start()
        while not _sees_a_candle(port):
            if not demo.alive:
                raise demo.problem("The demo ended.")
            if time.monotonic() - began > LONGEST:
                raise demo.problem(f"No live candle within {LONGEST:g} s.")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}", time.monotonic() - began


def _is_ours(name: str) -> bool:
    """Whether it names a service of this bench: the demo starts its own."""
    return name.startswith(("DATABASE_", "REDIS_", "CLICKHOUSE_", "BINANCE_", "API_"))


def _sees_a_candle(port: int) -> bool:
    """Connect, subscribe, and wait a moment for an update."""
    try:
        client = websocket.create_connection(f"ws://127.0.0.1:{port}/ws/stream", timeout=1, suppress_origin=True)
    except (OSError, websocket.WebSocketException):
        return False
    try:
        wanted = [{"symbol": "BTCUSDT", "timeframes": [{"timeframe": 1, "initial_candles": 0}]}]
        client.send(json.dumps({"action": "subscribe", "subscriptions": wanted}))
        while True:
            frame = json.loads(client.recv())
            if frame["type"] == "subscription_result" and frame["failed_subscriptions"]:
                return False
            if frame["type"] == "ohlcv_update":
                return True
    except (OSError, ValueError, websocket.WebSocketException):
        return False
    finally:
        client.close(timeout=0)


def _waits(home: Path, url: str, watched: int, seconds: float) -> tuple[float, float, float]:
    """p50 and p99 of a client, and p50 of one that is told from the table (ms), over the same trades."""
    exchange = Exchange([], {}, home / "unused.log")
    exchange.url = json.loads((home / EXCHANGE_FILE).read_text())["BINANCE_REST_URL"]
    probe = LatencyProbe(url, exchange.trading(watched))
    poller = Poller(json.loads((home / "services.json").read_text()))
    exchange.departures()
    probe.start()
    poller.start()
    # What goes on at a client's beginning is not what it waits for.
    time.sleep(1.0)
    exchange.departures()
    time.sleep(seconds)
    departures = exchange.departures()
    time.sleep(0.5)
    probe.stop()
    poller.stop()
    if probe.problem:
        raise AssertionError(probe.problem)
    found = probe.percentiles(departures)
    if found["p50"] is None or found["p99"] is None:
        raise AssertionError("no trade was seen by the client")
    return found["p50"], found["p99"], poller.median(departures)


class Poller:
    """A client's news as the original has it: the table is asked once a second how far each symbol is."""

    def __init__(self, services: dict[str, str]) -> None:
        self._client = Client(
            services["CLICKHOUSE_HOST"],
            int(services["CLICKHOUSE_NATIVE_PORT"]),
            user=services["CLICKHOUSE_USERNAME"],
            password=services["CLICKHOUSE_PASSWORD"],
            database=services["CLICKHOUSE_DATABASE"],
        )
        self._query = (Path(__file__).parent / "original" / "newest.sql").read_text()
        self._seen: dict[str, list[tuple[int, float]]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask once more, and end."""
        self._stop.set()
        self._thread.join(10)
        self._client.disconnect()

    def median(self, departures: list[tuple[str, int, int, float]]) -> float:
        """The median wait of the trades that left (ms)."""
        sent: dict[str, list[tuple[int, int, float]]] = {}
        for symbol, first, last, at in departures:
            sent.setdefault(symbol, []).append((first, last, at))
        found = [delays(sent[symbol], self._seen[symbol]) for symbol in sent.keys() & self._seen.keys()]
        return float(np.median(np.concatenate(found)))

    def _run(self) -> None:
        while True:
            stopping = self._stop.wait(POLL_SECONDS)
            for symbol, newest in self._client.execute(self._query):
                self._seen.setdefault(symbol, []).append((newest, time.time() * 1000))
            if stopping:
                return
