"""A client that does not read loses its connection; the others do not notice."""

from __future__ import annotations

import socket
from decimal import Decimal
from pathlib import Path

import pytest
import websocket

from dataprovider.clickhouse import ClickHouse
from tests.clickhouse.trades import NEW_YEAR, store
from tests.streaming.conftest import Client, Connect, StartServer
from tests.streaming.market import Market, row
from tests.waiting import wait_until

CANDLES = 1000


def test_a_client_that_does_not_read_is_closed_and_others_go_on(
    start_server: StartServer,
    clickhouse: ClickHouse,
    transactional_db: None,
    market: Market,
    connect: Connect,
    tmp_path: Path,
) -> None:
    store(clickhouse, [row(n, n * 60_000) for n in range(CANDLES)])
    server = start_server()
    slow = Client(server, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    good = connect(server)
    good.watch("BTCUSDT", 1, initial_candles=0)
    timeframes = [{"timeframe": 1, "initial_candles": CANDLES}]
    # A quarter of a megabyte each time: more than all buffers on the way hold.
    for _ in range(60):
        slow.send(action="subscribe", subscriptions=[{"symbol": "BTCUSDT", "timeframes": timeframes}])
        slow.send(action="unsubscribe", unsubscriptions=[{"symbol": "BTCUSDT", "timeframes": [1]}])
    prices = iter(range(1, 10_000))

    def closed() -> bool:
        price = next(prices)
        market.trade(row(CANDLES - 1 + price, CANDLES * 60_000, price=price), stored=False)
        # The one that reads has the newest state, every time.
        good.update(NEW_YEAR + CANDLES * 60_000, close=Decimal(price))
        return "did not read" in (tmp_path / "daphne.log").read_text()

    wait_until(closed, 60, "the slow client to be closed")
    with pytest.raises((websocket.WebSocketException, OSError)):
        slow.until(lambda frame: False, "anything but the end", most=100_000)
    slow.close()
