"""Stream addresses, subscriptions and answers, as Binance's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from urllib.parse import quote

import pytest

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import StreamClient, has_no_holes

FIELDS = ["e", "E", "a", "s", "p", "q", "nq", "f", "l", "T", "m", "st"]


@pytest.fixture
def exchange(start_exchange: Callable[..., RunningExchange]) -> RunningExchange:
    return start_exchange(symbols=24, rate=600, seed=3)


def test_the_combined_address_wraps_each_trade_with_its_stream(exchange: RunningExchange) -> None:
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade/ethusdt@aggTrade") as client:
        client.read_until(lambda: len(client.trades_of("ETHUSDT")) > 20, "trades")
        for message in client.messages:
            assert list(message) == ["stream", "data"]
            assert message["stream"] == message["data"]["s"].lower() + "@aggTrade"
            assert list(message["data"]) == FIELDS
        assert {trade["s"] for trade in client.trades} == {"BTCUSDT", "ETHUSDT"}


def test_the_raw_address_sends_trades_as_they_are(exchange: RunningExchange) -> None:
    with StreamClient(f"{exchange.ws_url}/market/ws/btcusdt@aggTrade/ethusdt@aggTrade") as client:
        client.read_until(lambda: client.trades_of("BTCUSDT") and client.trades_of("ETHUSDT"), "trades of both")
        assert all(list(message) == FIELDS for message in client.messages)
        assert {message["s"] for message in client.messages} == {"BTCUSDT", "ETHUSDT"}


def test_ids_follow_each_other_and_event_times_never_go_back(exchange: RunningExchange) -> None:
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        client.read_until(lambda: len(client.trades) > 2000, "trades")
        trades = client.trades
        assert has_no_holes([trade["a"] for trade in trades])
        assert all(one["E"] <= two["E"] and one["l"] < two["f"] for one, two in pairwise(trades))
        assert any(Decimal(trade["nq"]) < Decimal(trade["q"]) for trade in trades), "some fills are RPI orders"
        delays = sorted(trade["E"] - trade["T"] for trade in trades)
        assert delays[0] >= 2
        assert delays[-1] <= 160
        assert 145 <= delays[len(delays) // 2] <= 158


def test_subscribe_unsubscribe_and_list_are_answered_like_binance(exchange: RunningExchange) -> None:
    with StreamClient(exchange.stream_url) as client:
        assert client.ask("SUBSCRIBE", "btcusdt@aggTrade", "ethusdt@aggTrade", id=1) == {"result": None, "id": 1}
        client.read_until(lambda: client.trades_of("BTCUSDT"), "a trade")
        listed = client.ask("LIST_SUBSCRIPTIONS", id=3)
        assert listed == {"result": ["btcusdt@aggTrade", "ethusdt@aggTrade"], "id": 3}
        assert client.ask("UNSUBSCRIBE", "btcusdt@aggTrade", id="two") == {"result": None, "id": "two"}
        seen = len(client.trades)
        client.read_until(lambda: len(client.trades) > seen + 20, "trades of the other symbol")
        assert {trade["s"] for trade in client.trades[seen:]} == {"ETHUSDT"}


def test_unknown_and_upper_case_names_are_acknowledged_and_silent(exchange: RunningExchange) -> None:
    with StreamClient(exchange.stream_url) as client:
        assert client.ask("SUBSCRIBE", "BTCUSDT@aggTrade", "nosuchusdt@aggTrade", "btcusdt@nothing")["result"] is None
        client.read_for(1.5)
        assert client.trades == []
        assert len(client.ask("LIST_SUBSCRIPTIONS", id=2)["result"]) == 3


@pytest.mark.parametrize("path", ["/stream", "/ws", "/public/stream"])
def test_addresses_without_market_accept_acknowledge_and_never_send_a_trade(
    exchange: RunningExchange, path: str
) -> None:
    with StreamClient(f"{exchange.ws_url}{path}?streams=btcusdt@aggTrade") as client:
        assert client.ask("SUBSCRIBE", "ethusdt@aggTrade") == {"result": None, "id": 1}
        client.read_for(1.5)
        assert client.trades == []
        assert client.closed is None


def test_non_ascii_symbols_are_raw_utf8(exchange: RunningExchange) -> None:
    name = "币安人生usdt@aggTrade"
    with StreamClient(exchange.stream_url) as client:
        client.ask("SUBSCRIBE", name)
        client.read_until(lambda: client.trades, "a trade", 60)
        assert client.messages[-1]["stream"] == name
        assert client.trades[0]["s"] == "币安人生USDT"
    with StreamClient(f"{exchange.stream_url}?streams={quote(name)}") as client:
        assert client.ask("LIST_SUBSCRIPTIONS")["result"] == [name]


def test_nonsense_is_answered_and_the_connection_goes_on(exchange: RunningExchange) -> None:
    with StreamClient(exchange.stream_url) as client:
        for text, code in [
            ("{not json", 3),
            ('{"method":"JUMP","id":7}', 2),
            ('{"id":7}', 2),
            ('{"method":"SUBSCRIBE","params":[1],"id":7}', 2),
            ('{"method":"SUBSCRIBE","params":["a"],"id":-7}', 2),
            ('{"method":"SET_PROPERTY","params":["nothing",true],"id":7}', 0),
        ]:
            client.send(text)
            assert client.wait_for(lambda message: "error" in message, f"an error for {text}")["error"]["code"] == code
            client.messages.clear()
        assert client.ask("LIST_SUBSCRIPTIONS", id=9) == {"result": [], "id": 9}


def test_a_raw_connection_can_ask_for_wrapped_messages(exchange: RunningExchange) -> None:
    with StreamClient(f"{exchange.ws_url}/market/ws") as client:
        client.send({"method": "SET_PROPERTY", "params": ["combined", True], "id": 5})
        assert client.wait_for(lambda message: message.get("id") == 5, "an answer") == {"result": None, "id": 5}
        client.ask("SUBSCRIBE", "btcusdt@aggTrade")
        assert "stream" in client.wait_for(lambda message: "id" not in message, "a trade")


def test_contracts_that_do_not_trade_are_silent(exchange: RunningExchange) -> None:
    with StreamClient(f"{exchange.stream_url}?streams=nextusdt@aggTrade/goneusdt@aggTrade") as client:
        client.read_for(1.0)
        assert client.messages == []
    assert exchange.get("/fapi/v1/aggTrades", symbol="GONEUSDT") == []
