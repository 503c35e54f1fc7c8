"""REST gives exactly the trades the stream sent, and a trade is there only once its time has come."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import StreamClient, has_no_holes

Start = Callable[..., RunningExchange]
ROW = ("a", "p", "q", "nq", "f", "l", "T", "m")


def rows_by_id(exchange: RunningExchange, symbol: str, first_id: int, count: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    while len(rows) < count:
        page = exchange.get("/fapi/v1/aggTrades", symbol=symbol, fromId=first_id + len(rows), limit=1000)
        assert page, f"nothing from id {first_id + len(rows)} on"
        rows += page
    return rows[:count]


def row_of(trade: dict[str, Any]) -> dict[str, Any]:
    return {name: trade[name] for name in ROW}


def test_every_trade_of_the_stream_is_in_rest_field_by_field(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=12, rate=1500)
    names = [f"{item['symbol'].lower()}@aggTrade" for item in exchange.get("/fapi/v1/exchangeInfo")["symbols"]]
    with StreamClient(f"{exchange.stream_url}?streams={'/'.join(names)}") as client:
        client.read_until(lambda: len(client.messages) > 9000, "trades")
        exchange.post("/simulator/stop")
        client.read_for(0.5)
        trades = client.trades
    for symbol, sent in exchange.sent.items():
        mine = [row_of(trade) for trade in trades if trade["s"] == symbol]
        assert [row["a"] for row in mine] == list(range(sent["first_id"], sent["last_id"] + 1))
        assert sent["count"] == len(mine)
        assert rows_by_id(exchange, symbol, sent["first_id"], len(mine)) == mine
    assert exchange.state["sent"] == len(trades)


def test_two_subscribers_count_once(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=300)
    address = f"{exchange.stream_url}?streams=btcusdt@aggTrade"
    with StreamClient(address) as one, StreamClient(address) as two:
        one.read_until(lambda: len(one.trades) > 200, "trades")
        exchange.post("/simulator/stop")
        one.read_for(0.3)
        two.read_for(0.3)
        sent = exchange.sent["BTCUSDT"]
        ids = {trade["a"] for trade in one.trades} | {trade["a"] for trade in two.trades}
        assert sent["count"] == len(ids)
        assert "ETHUSDT" not in exchange.sent


def test_rest_never_shows_a_trade_before_its_time(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=3000)
    for _ in range(50):
        rows = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1000)
        now = exchange.get("/fapi/v1/time")["serverTime"]
        assert has_no_holes([row["a"] for row in rows])
        assert all(row["T"] <= now - 2 for row in rows)


def test_paused_nothing_is_sent_before_the_start(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=2, rate=300, paused=True)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        before = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[0]
        client.read_for(1.0)
        assert client.messages == []
        assert not exchange.state["running"]
        assert exchange.post("/simulator/start")["running"]
        client.read_until(lambda: client.messages, "a trade")
        assert client.trades[0]["a"] == before["a"] + 1
        assert client.trades[0]["f"] > before["l"]
