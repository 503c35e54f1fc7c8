"""A WebSocket client that keeps what it was sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
import websocket

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer, start_server, test_database_url
from tests.streaming.market import Market

__all__ = ["StartServer", "start_server", "test_database_url"]

Frame = dict[str, Any]


class Client:
    """One connection to /ws/stream; numbers are read as exact decimals."""

    def __init__(self, server: Server, path: str = "/ws/stream", **options: Any) -> None:
        self.socket = websocket.create_connection(f"ws{server.url.removeprefix('http')}{path}", timeout=5, **options)
        self._connection = self.socket.sock
        self.frames: list[Frame] = []

    def close(self) -> None:
        self.socket.close(timeout=1)
        # After an end that the server began, websocket-client leaves it open.
        if self._connection is not None:
            self._connection.close()

    def send(self, **message: object) -> None:
        self.socket.send(json.dumps(message))

    def subscribe(self, symbol: str, *timeframes: int, initial_candles: int = 10) -> None:
        asked = [{"timeframe": each, "initial_candles": initial_candles} for each in timeframes]
        self.send(action="subscribe", subscriptions=[{"symbol": symbol, "timeframes": asked}])

    def watch(self, symbol: str, *timeframes: int, initial_candles: int = 10) -> None:
        """Subscribe, and wait until it is answered."""
        self.subscribe(symbol, *timeframes, initial_candles=initial_candles)
        self.type("subscription_result")

    def next(self) -> Frame:
        """The next frame; kept. Raises WebSocketConnectionClosedException at the end."""
        text = self.socket.recv()
        if not text:
            raise websocket.WebSocketConnectionClosedException("the server closed the connection")
        frame: Frame = json.loads(text, parse_float=Decimal)
        self.frames.append(frame)
        return frame

    def until(self, wanted: Callable[[Frame], bool], what: str, *, most: int = 20_000) -> Frame:
        """The next frame that is wanted."""
        for _ in range(most):
            try:
                frame = self.next()
            except websocket.WebSocketTimeoutException:
                break
            if wanted(frame):
                return frame
        raise AssertionError(f"no {what}; the last frames: {self.frames[-3:]}")

    def type(self, name: str) -> Frame:
        """The next frame of this type."""
        return self.until(lambda frame: frame["type"] == name, name)

    def update(self, candle_time: int, **wanted: object) -> Frame:
        """The next update of this candle whose data have these values."""
        expected = {"candle_time": candle_time, **wanted}
        return self.until(
            lambda frame: frame["type"] == "ohlcv_update" and expected.items() <= frame["data"].items(),
            f"update with {expected}",
        )

    def candles(self, timeframe: int) -> dict[int, Frame]:
        """The newest state of each candle by open time, from history and updates."""
        found: dict[int, Frame] = {}
        for frame in self.frames:
            if frame.get("timeframe") == f"{timeframe}m":
                for candle in frame.get("candles", [frame.get("data")]):
                    found[candle["candle_time"]] = candle
        return found


@pytest.fixture
def market(clickhouse: ClickHouse) -> Iterator[Market]:
    """What a worker would publish and store."""
    found = Market(clickhouse)
    yield found
    found.close()


Connect = Callable[..., Client]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connects clients, and closes them after the test."""
    clients: list[Client] = []

    def connected(server: Server, **options: Any) -> Client:
        clients.append(Client(server, **options))
        return clients[-1]

    yield connected
    for client in clients:
        client.close()
