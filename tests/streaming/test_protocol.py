"""What a client may say on /ws/stream, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import websocket

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, running
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.streaming.conftest import Connect, StartServer
from tests.streaming.market import Market, row
from tests.waiting import wait_until


@pytest.fixture
def server(start_server: StartServer, clickhouse: ClickHouse, transactional_db: None) -> Server:
    return start_server()


def test_history_is_what_rest_says(server: Server, clickhouse: ClickHouse, connect: Connect) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * 30_000, 100_00000001 + n, first=n, last=n) for n in range(60)])
    client = connect(server)
    client.subscribe("btcusdt", 1, 7, 173, initial_candles=5)
    for timeframe in (1, 7, 173):
        frame = client.type("initial_history")
        assert (frame["symbol"], frame["timeframe"], frame["sequence"]) == ("BTCUSDT", f"{timeframe}m", 0)
        assert frame["requested_candles"] == 5
        assert frame["actual_candles"] == len(frame["candles"]) == (1 if timeframe == 173 else 5)
        rest = server.get("/api/v1/data/klines/BTCUSDT", timeframe=timeframe, limit=5)
        assert json.loads(rest.text, parse_float=type(frame["candles"][0]["open"]))["data"] == frame["candles"]
        assert frame["data_status"]["data_quality"] == "complete"
    result = client.type("subscription_result")
    assert [each["timeframe"] for each in result["successful_subscriptions"]] == ["1m", "7m", "173m"]
    assert result["failed_subscriptions"] == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "INVALID_JSON"),
        ("[" * 30_000, "INVALID_JSON"),
        ("[]", "MESSAGE_ERROR"),
        ('"' + "x" * 70_000 + '"', "MESSAGE_ERROR"),
        ("{}", "UNKNOWN_ACTION"),
        ('{"action":["subscribe"]}', "UNKNOWN_ACTION"),
        ('{"action":"subscribe"}', "INVALID_SUBSCRIPTION"),
        ('{"action":"subscribe","subscriptions":[1]}', "INVALID_SUBSCRIPTION"),
        ('{"action":"subscribe","subscriptions":[{"symbol":5,"timeframes":[]}]}', "INVALID_SUBSCRIPTION"),
        ('{"action":"subscribe","subscriptions":[{"symbol":"X","timeframes":[15]}]}', "INVALID_SUBSCRIPTION"),
        ('{"action":"subscribe","subscriptions":[{"symbol":"X","timeframes":[{"timeframe":0}]}]}', "INVALID_TIMEFRAME"),
        (
            '{"action":"subscribe","subscriptions":[{"symbol":"X","timeframes":[{"timeframe":43201}]}]}',
            "INVALID_TIMEFRAME",
        ),
        (
            '{"action":"subscribe","subscriptions":[{"symbol":"X","timeframes":[{"timeframe":1,"initial_candles":1001}]}]}',
            "INVALID_SUBSCRIPTION",
        ),
        ('{"action":"unsubscribe","unsubscriptions":{}}', "INVALID_UNSUBSCRIPTION"),
        ('{"action":"unsubscribe","unsubscriptions":[{"symbol":"X","timeframes":[true]}]}', "INVALID_TIMEFRAME"),
    ],
)
def test_malformed_messages(shared: Server, connect: Connect, text: str, code: str) -> None:
    client = connect(shared)
    client.socket.send(text)
    assert client.next()["error_code"] == code
    client.send(action="ping", timestamp=5)
    assert client.next()["client_timestamp"] == 5


@pytest.fixture(scope="module")
def _shared(
    test_database_url: str, migrated_clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    with running({"DATABASE_URL": test_database_url}, tmp_path_factory.mktemp("web") / "daphne.log") as server:
        yield server


@pytest.fixture
def shared(_shared: Server) -> Server:
    """A server for tests that store nothing."""
    return _shared


def test_a_message_has_so_many_characters(shared: Server, connect: Connect) -> None:
    client = connect(shared)
    ping = '{"action":"ping"}'
    for size, kind in ((65_536, "pong"), (65_537, "error")):
        client.socket.send(ping.ljust(size))
        assert client.next()["type"] == kind


def test_binary_and_an_unknown_symbol(shared: Server, connect: Connect, transactional_db: None) -> None:
    client = connect(shared)
    client.socket.send_binary(b"\xff\x00")
    assert client.next()["error_code"] == "MESSAGE_ERROR"
    for name in ("NOSUCHUSDT", "A\x00B"):
        client.subscribe(name, 7)
        (failure,) = client.next()["failed_subscriptions"]
        assert failure["symbol"] == name
        assert "no symbol" in failure["reason"]


def test_a_candle_is_closed_by_time_alone(
    server: Server, clickhouse: ClickHouse, market: Market, connect: Connect
) -> None:
    store(clickhouse, [Row(1, NEW_YEAR)])
    client = connect(server)
    client.watch("BTCUSDT", 1)
    market.trade(row(2, 59_000))
    assert client.update(NEW_YEAR, trades_count=2)["data"]["closed"] is False
    market.trade(row(1, 62_100, symbol="ETHUSDT"))
    frame = client.update(NEW_YEAR, closed=True)
    assert (frame["data"]["complete"], frame["correction"]) == (False, False)


def test_after_unsubscribing_nothing_comes(
    server: Server, clickhouse: ClickHouse, market: Market, connect: Connect
) -> None:
    store(clickhouse, [Row(1, NEW_YEAR)])
    client = connect(server)
    client.watch("BTCUSDT", 1, 7)
    client.send(action="unsubscribe", unsubscriptions=[{"symbol": "btcusdt", "timeframes": [7, 15]}])
    result = client.type("unsubscription_result")
    assert result["successful_unsubscriptions"] == [{"symbol": "BTCUSDT", "timeframe": "7m"}]
    assert result["failed_unsubscriptions"][0]["timeframe"] == "15m"
    seen = len(client.frames)
    market.trade(row(2, 1000))
    client.update(NEW_YEAR, trades_count=2)
    assert {frame["timeframe"] for frame in client.frames[seen:]} == {"1m"}
    client.watch("BTCUSDT", 7)
    assert client.frames[-2]["candles"][0]["trades_count"] == 2


def test_a_connection_has_so_many_subscriptions(
    start_server: StartServer, clickhouse: ClickHouse, transactional_db: None, connect: Connect
) -> None:
    store(clickhouse, [Row(1, NEW_YEAR)])
    client = connect(start_server(WEBSOCKET_SUBSCRIPTIONS_PER_CONNECTION="3"))
    client.watch("BTCUSDT", 1, 2, 3, 4, initial_candles=0)
    result = client.frames[-1]
    assert [each["timeframe"] for each in result["successful_subscriptions"]] == ["1m", "2m", "3m"]
    assert result["failed_subscriptions"][0]["reason"] == "a connection may have 3 subscriptions"


def test_an_address_has_so_many_connections(start_server: StartServer, connect: Connect) -> None:
    server = start_server(WEBSOCKET_CONNECTIONS_PER_IP="2", WEBSOCKET_HEARTBEAT_SECONDS="1")
    first, second, third = connect(server), connect(server), connect(server)
    assert third.next()["error_code"] == "CONNECTION_ERROR"
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        third.next()
    assert first.next() == {**first.frames[0], "type": "heartbeat", "connections_count": 2}
    assert server.data("/api/v1/monitoring/health")["websocket_connections"] == 2
    second.close()

    wait_until(lambda: connect(server).next()["type"] == "heartbeat", 5, "a connection to be free again")


def test_streaming_can_be_switched_off(start_server: StartServer, connect: Connect) -> None:
    server = start_server(ENABLE_WEBSOCKET_API="false")
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        connect(server)
