"""Failure 16 of the original: what subscribers are told of a candle that is over."""

from __future__ import annotations

import json
from decimal import Decimal

from dataprovider.clickhouse import ClickHouse
from tests.clickhouse.trades import NEW_YEAR, store
from tests.streaming.conftest import Connect, StartServer
from tests.streaming.market import Market, row


def test_the_final_state_is_sent_and_late_trades_are_seen(
    start_server: StartServer, clickhouse: ClickHouse, transactional_db: None, market: Market, connect: Connect
) -> None:
    """Failure 16 of the original: the next minute's first trade made it forget the one before, unsent."""
    store(clickhouse, [row(0, -100), row(1, 100)])
    server = start_server()
    client = connect(server)
    client.watch("BTCUSDT", 1)
    market.trade(row(2, 59_000, price=101))
    market.trade(row(4, 60_100, price=103))
    frame = client.update(NEW_YEAR, closed=True)
    assert (frame["data"]["trades_count"], frame["data"]["close"], frame["correction"]) == (2, Decimal(101), False)
    market.trade(row(3, 59_999, price=102))
    frame = client.update(NEW_YEAR, trades_count=3)
    assert (frame["data"]["closed"], frame["data"]["close"], frame["correction"]) == (True, Decimal(102), True)
    rest = json.loads(server.get("/api/v1/data/klines/BTCUSDT").text, parse_float=Decimal)["data"]
    client.send(action="ping")
    client.until(lambda _: list(client.candles(1).values()) == rest, "what REST says")
