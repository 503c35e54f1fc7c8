"""The limits of stream connections, as measured on Binance."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import websocket

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import StreamClient
from tests.waiting import wait_until

Start = Callable[..., RunningExchange]


def test_the_1025th_stream_ends_the_connection(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3)
    names = [f"symbol{number}@aggTrade" for number in range(1024)]
    with StreamClient(exchange.stream_url) as client:
        for begin in range(0, 1024, 200):
            assert client.ask("SUBSCRIBE", *names[begin : begin + 200], id=begin + 1)["result"] is None
        client.send({"method": "SUBSCRIBE", "params": ["onemore@aggTrade"], "id": 9999})
        assert client.read_until_closed(10)[0] == 1008
        assert client.messages[-1] == {"error": {"code": 4, "msg": "Too many subscriptions"}}


def test_too_many_streams_in_the_address_end_the_connection_too(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3)
    names = "/".join(f"symbol{number}@aggTrade" for number in range(1025))
    with StreamClient(f"{exchange.stream_url}?streams={names}") as client:
        assert client.read_until_closed(10)[0] == 1008
    with StreamClient(f"{exchange.stream_url}?streams={names.rpartition('/')[0]}") as client:
        assert len(client.ask("LIST_SUBSCRIPTIONS")["result"]) == 1024


def test_a_burst_of_15_messages_passes_and_40_do_not(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3)
    with StreamClient(exchange.stream_url) as client:
        for number in range(15):
            client.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
        client.read_until(lambda: len(client.messages) == 15, "15 answers")
    with StreamClient(exchange.stream_url) as client:
        for number in range(40):
            client.send({"method": "LIST_SUBSCRIPTIONS", "id": number})
        assert client.read_until_closed(10) == (1008, "Too many requests")


def test_connection_attempts_of_one_address_are_limited(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, connection_attempts=5)
    for _ in range(5):
        with StreamClient(exchange.stream_url):
            pass
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        StreamClient(exchange.stream_url)
    assert refused.value.status_code == 429


def test_who_answers_pings_stays_and_who_does_not_is_cut(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, ping_seconds=0.3, pong_seconds=1)
    with StreamClient(exchange.stream_url) as polite, StreamClient(exchange.stream_url) as rude:
        # websocket-client answers a ping when it reads it; `rude` does not read.
        polite.read_for(3.0)
        assert polite.closed is None
        wait_until(lambda: exchange.state["connections"] == 1, 10, "the silent client to be cut")
        assert rude.read_until_closed(10) == (None, "")


def test_a_connection_ends_with_its_life(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, life_seconds=1)
    with StreamClient(exchange.stream_url) as client:
        assert client.read_until_closed(10)[0] == 1001


def test_a_client_that_does_not_read_is_disconnected_and_others_go_on(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, rate=20_000, buffer_megabytes=0.5)
    address = f"{exchange.stream_url}?streams=btcusdt@aggTrade"
    small = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),)
    with StreamClient(address, sockopt=small), StreamClient(address) as reader:
        reader.read_until(lambda: len(reader.messages) > 10, "trades")

        def dropped() -> int:
            reader.read_for(0.3)
            return int(exchange.state["clients_dropped"])

        assert wait_until(dropped, 60, "the slow reader to be dropped") == 1
        assert reader.closed is None
        ids = [trade["a"] for trade in reader.trades]
        assert ids == list(range(ids[0], ids[0] + len(ids)))
