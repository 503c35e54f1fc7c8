"""A client that does not read loses its connection; the others do not notice."""

from __future__ import annotations

import json
import socket
from decimal import Decimal
from itertools import count
from pathlib import Path

import pytest
import websocket
from django.conf import settings
from redis import Redis

from collectors.live import begin
from collectors.publisher import bar_message, minute_channel
from collectors.shards import shard_of
from dataprovider.clickhouse import ClickHouse
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.collectors.trades import trade
from tests.streaming.conftest import Client, Connect, StartServer
from tests.waiting import wait_until


def test_a_client_that_does_not_read_is_closed_and_others_go_on(
    start_server: StartServer, clickhouse: ClickHouse, transactional_db: None, connect: Connect, tmp_path: Path
) -> None:
    store(clickhouse, [Row(1, NEW_YEAR)])
    server = start_server()
    slow = Client(server, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    good = connect(server)
    for client in (slow, good):
        client.subscribe("BTCUSDT", 7, initial_candles=0)
        client.type("subscription_result")
    redis = Redis.from_url(settings.CONFIG.redis_url)
    prices = count(1)

    def closed() -> bool:
        for _ in range(500):
            price = next(prices)
            bar = begin(trade(2, ms=NEW_YEAR + 60_000)._replace(symbol="BTCUSDT", price=price), whole=True)
            redis.publish(minute_channel(shard_of("BTCUSDT")), json.dumps([bar_message(bar, NEW_YEAR + 60_000)]))
        # The one that reads has the newest state, every time.
        good.until(lambda frame: frame.get("data", {}).get("close") == Decimal(price) / 10**8, "the newest price")
        return "did not read" in (tmp_path / "daphne.log").read_text()

    wait_until(closed, 60, "the slow client to be closed")
    with pytest.raises((websocket.WebSocketException, OSError)):
        slow.until(lambda frame: False, "anything but the end", most=100_000)
    slow.close()
    redis.close()
