"""The exchange's stream addresses: klines of any minutes and aggregated trades, its commands and its answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import websocket

from collectors.directory import sync_symbols
from collectors.publisher import trade_channel
from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import NEW_YEAR, store
from tests.streaming.conftest import market
from tests.streaming.market import Market, row
from tests.waiting import wait_until

__all__ = ["market"]

MINUTE = 60_000


class Streams:
    """One client."""

    def __init__(self, server: Server, path: str) -> None:
        self.socket = websocket.create_connection(f"ws{server.url.removeprefix('http')}{path}", timeout=10)
        self._number = 0

    def next(self) -> Any:
        return json.loads(self.socket.recv())

    def kline(self, **wanted: object) -> dict[str, Any]:
        """The next kline with these values."""
        while True:
            found: dict[str, Any] = self.next()
            found = found.get("data", found)
            if found.get("e") == "kline" and wanted.items() <= found["k"].items():
                return found

    def command(self, method: str, *params: object) -> Any:
        """The answer to a command; events before it are dropped."""
        self._number += 1
        self.socket.send(json.dumps({"method": method, "params": params, "id": self._number}))
        while (answer := self.next()).get("id") != self._number:
            pass
        return answer.get("error") or {"result": answer["result"]}


@pytest.fixture
def listed(transactional_db: None, clickhouse: ClickHouse) -> None:
    """BTCUSDT as the exchange lists it, with a trade before New Year and one at it."""
    filters = [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}, {"filterType": "LOT_SIZE", "stepSize": "0.001"}]
    entry = {"symbol": "BTCUSDT", "status": "TRADING", "contractType": "PERPETUAL", "onboardDate": 1_569_398_400_000}
    more = {"deliveryDate": 4133404800000, "pricePrecision": 2, "quantityPrecision": 3, "filters": filters}
    sync_symbols([{**entry, **more, "pair": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}])
    store(clickhouse, [row(1, -MINUTE), row(2, 0)])


@pytest.fixture
def served(start_server: StartServer, listed: None) -> Server:
    return start_server()


Connect = Callable[[Server, str], Streams]


@pytest.fixture
def streams() -> Iterator[Connect]:
    """Connects clients to a path, and closes them after the test."""
    with ExitStack() as stack:

        def connected(server: Server, path: str) -> Streams:
            client = Streams(server, path)
            stack.callback(client.socket.close, timeout=1)
            return client

        yield connected


def test_klines_are_those_of_rest_and_close_once(served: Server, market: Market, streams: Connect) -> None:
    combined = streams(served, "/market/stream?streams=btcusdt@kline_1m/btcusdt@kline_7m/btcusdt@kline_1M")
    alone = streams(served, "/ws/btcusdt@kline_1m")
    for client in (combined, alone):
        client.kline(t=NEW_YEAR, x=False)
    market.trade(row(3, 30_000, price=105))
    market.trade(row(4, MINUTE + 1000))
    event = alone.kline(t=NEW_YEAR, x=True)
    assert list(event) == ["e", "E", "s", "k"]
    assert "".join(event["k"]) == "tTsifLochlvnxqVQB"
    assert event["E"] >= NEW_YEAR + MINUTE
    kline = event["k"]
    row_of = {each[0]: each for each in served.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1m").json()}
    names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
    assert [kline[name] for name in names] == row_of[NEW_YEAR]
    assert (kline["s"], kline["i"], kline["f"], kline["L"]) == ("BTCUSDT", "1m", 2, 3)
    month = combined.kline(i="1M", n=3)["k"]
    assert (month["t"], month["T"], month["x"]) == (NEW_YEAR, NEW_YEAR + 31 * 1440 * MINUTE - 1, False)
    # What changes a closed kline later is not sent again: whoever acts when x is true acts once.
    market.trade(row(5, MINUTE + 2000))
    while (event := alone.next())["k"]["n"] < 2:
        assert event["k"]["t"] == NEW_YEAR + MINUTE


def test_aggregated_trades_come_while_somebody_listens(served: Server, market: Market, streams: Connect) -> None:
    clients = [streams(served, path) for path in ("/stream?streams=btcusdt@aggTrade", "/market/ws/btcusdt@aggTrade")]
    for client in clients:
        wait_until(lambda each=client: each.command("LIST_SUBSCRIPTIONS")["result"], 10, "the subscription")  # type: ignore[misc]
    channel = trade_channel("BTCUSDT")
    wait_until(lambda: market.is_heard(channel), 10, "the trades to be listened to")
    for _ in range(2):
        market.trade(row(3, 30_000, price=105), stored=False)
    market.trade(row(4, 30_001), stored=False)
    expected = {"e": "aggTrade", "E": NEW_YEAR + 30_000, "a": 3, "s": "BTCUSDT", "p": "105.00", "q": "1.000"}
    expected |= {"f": 3, "l": 3, "T": NEW_YEAR + 30_000, "m": False}
    wrapped, plain = (client.next() for client in clients)
    assert plain == expected
    assert wrapped == {"stream": "btcusdt@aggTrade", "data": expected}
    assert clients[1].next()["a"] == 4
    for client in clients:
        assert client.command("UNSUBSCRIBE", "btcusdt@aggTrade") == {"result": None}
    wait_until(lambda: not market.is_heard(channel), 10, "nobody to listen")


def test_commands_are_answered_as_the_exchange_does(
    start_server: StartServer, listed: None, market: Market, streams: Connect
) -> None:
    served = start_server(WEBSOCKET_SUBSCRIPTIONS_PER_CONNECTION="4")
    client = streams(served, "/market/ws")
    assert client.command("SUBSCRIBE", "btcusdt@kline_173m", "BTCUSDT@aggTrade", "nosuch@kline_1m") == {"result": None}
    names = ["btcusdt@kline_173m", "BTCUSDT@aggTrade", "nosuch@kline_1m"]
    assert client.command("LIST_SUBSCRIPTIONS") == {"result": names}
    assert client.command("GET_PROPERTY", "combined") == {"result": False}
    assert client.command("SET_PROPERTY", "combined", *[True]) == {"result": None}
    market.trade(row(3, 30_000))
    assert client.next()["stream"] == "btcusdt@kline_173m"
    assert client.command("UNSUBSCRIBE", *names[1:]) == {"result": None}
    assert client.command("LIST_SUBSCRIPTIONS") == {"result": names[:1]}
    assert client.command("SUBSCRIBE", *(f"btcusdt@kline_{n}m" for n in range(1, 5)))["code"] == 4
    assert client.command("NOTHING")["code"] == 2
    assert client.command("SUBSCRIBE", 5)["code"] == 2
    client.socket.send("{")
    assert client.next()["error"]["code"] == 3
    client.socket.send_binary(b"\xff")
    assert client.next()["error"]["code"] == 3
