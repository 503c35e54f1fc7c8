"""Faults that are switched on while the exchange runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import requests

from tests.fixtures_exchange import RunningExchange
from tests.simulator.stream_client import StreamClient, has_no_holes
from tests.simulator.test_archives import csv_lines, day, listing, path_of
from tests.waiting import wait_until

Start = Callable[..., RunningExchange]


@pytest.fixture
def exchange(start_exchange: Start) -> RunningExchange:
    return start_exchange(symbols=4, rate=600)


@pytest.fixture
def client(exchange: RunningExchange) -> Iterator[StreamClient]:
    """Subscribed to BTCUSDT and ETHUSDT, and receiving."""
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade/ethusdt@aggTrade") as found:
        found.read_until(lambda: found.trades_of("BTCUSDT") and found.trades_of("ETHUSDT"), "trades")
        yield found


def more(client: StreamClient, count: int) -> list[int]:
    """The ids of the next BTCUSDT trades, in the order they came."""
    begin = len(client.trades_of("BTCUSDT"))
    wanted = len(client.trades) + 2 * count
    client.read_until(lambda: len(client.trades) >= wanted, "more trades")
    return [trade["a"] for trade in client.trades_of("BTCUSDT")[begin:]]


def test_connections_are_cut_without_a_closing_frame(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("drop_connections")
    assert client.read_until_closed(10) == (None, "")
    wait_until(lambda: exchange.state["connections"] == 0, 5, "no connection left")


def test_one_connection_of_two_can_be_cut(exchange: RunningExchange, client: StreamClient) -> None:
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as other:
        exchange.fault("drop_connections", count=1)
        wait_until(lambda: exchange.state["connections"] == 1, 5, "one connection to be cut")
        client.read_for(0.5)
        other.read_for(0.5)
        assert sorted(one.closed is None for one in (client, other)) == [False, True]


def test_muted_symbols_are_acknowledged_and_silent_until_cleared(
    exchange: RunningExchange, client: StreamClient
) -> None:
    exchange.fault("mute", symbols=["BTCUSDT"])
    client.read_for(0.3)
    at_mute = client.trades_of("BTCUSDT")[-1]["a"]
    seen = len(client.trades_of("ETHUSDT"))
    client.read_until(lambda: len(client.trades_of("ETHUSDT")) > seen + 20, "trades of the other symbol")
    assert client.trades_of("BTCUSDT")[-1]["a"] == at_mute == exchange.sent["BTCUSDT"]["last_id"]
    assert client.ask("SUBSCRIBE", "btcusdt@aggTrade") == {"result": None, "id": 1}
    exchange.delete("/simulator/faults")
    ids = more(client, 20)
    assert ids[0] > at_mute + 1
    assert has_no_holes(ids)


def test_everything_muted_leaves_the_connection_alive(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("mute")
    client.read_for(0.3)
    seen = len(client.trades)
    client.socket.ping("are you there")
    client.read_for(1.0)
    assert len(client.trades) == seen
    assert client.pongs == [b"are you there"]
    assert client.closed is None


def test_half_open_sends_nothing_and_answers_no_ping(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("half_open")
    client.read_for(0.3)
    seen = len(client.trades)
    client.socket.ping("are you there")
    client.send({"method": "LIST_SUBSCRIPTIONS", "id": 77})
    client.read_for(1.0)
    assert len(client.trades) == seen
    assert client.pongs == []
    assert all(message.get("id") != 77 for message in client.messages)
    assert client.closed is None
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as fresh:
        fresh.read_until(lambda: fresh.trades, "trades on a new connection")


def test_duplicates_come_twice_and_count_once(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("duplicate", rate=0.2)
    ids = more(client, 400)
    share = 1 - len(set(ids)) / len(ids)
    assert 0.1 < share < 0.25
    assert has_no_holes(sorted(set(ids)))
    exchange.post("/simulator/stop")
    client.read_for(0.3)
    all_ids = {trade["a"] for trade in client.trades_of("BTCUSDT")}
    assert exchange.sent["BTCUSDT"]["count"] == len(all_ids)


def test_reordered_trades_come_later_but_come(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("reorder", rate=0.2)
    ids = more(client, 400)
    assert any(one > two for one, two in pairwise(ids))
    for _ in range(5):
        # What was kept back to come later goes out with a stop.
        exchange.post("/simulator/stop")
        client.read_for(0.3)
        newest = max(trade["a"] for trade in client.trades_of("BTCUSDT"))
        assert newest == exchange.sent["BTCUSDT"]["last_id"]
        assert has_no_holes(sorted(trade["a"] for trade in client.trades_of("BTCUSDT")))
        exchange.fault("reorder", rate=1)
        exchange.post("/simulator/start")
        more(client, 10)
    exchange.post("/simulator/stop")
    client.read_for(0.3)
    everything = [trade["a"] for trade in client.trades_of("BTCUSDT")]
    assert has_no_holes(sorted(everything))
    assert exchange.sent["BTCUSDT"]["count"] == len(everything)


def test_skipped_ids_are_never_sent_and_rest_has_them(exchange: RunningExchange, client: StreamClient) -> None:
    before = client.trades_of("BTCUSDT")[-1]["a"]
    exchange.fault("skip", symbol="BTCUSDT", count=7)
    more(client, 60)
    ids = [trade["a"] for trade in client.trades_of("BTCUSDT") if trade["a"] >= before]
    missing = sorted(set(range(ids[0], ids[-1] + 1)) - set(ids))
    assert len(missing) == 7
    assert has_no_holes(missing)
    assert exchange.state["faults"] == []
    rows = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=missing[0], limit=7)
    assert [row["a"] for row in rows] == missing
    exchange.post("/simulator/stop")
    sent = exchange.sent["BTCUSDT"]
    assert sent["last_id"] - sent["first_id"] + 1 - sent["count"] == 7


def test_malformed_frames_come_in_between_and_trades_go_on(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("malformed", count=24)
    begin = len(client.trades_of("BTCUSDT"))
    client.read_until(lambda: exchange.state["faults"] == [], "all of them")
    client.read_for(0.5)
    assert client.broken
    assert any(trade["s"] == "NOSUCHUSDT" for trade in client.trades if "s" in trade)
    now = time.time() * 1000
    good = [
        trade["a"]
        for trade in client.trades_of("BTCUSDT")[begin:]
        if isinstance(trade.get("T"), int) and abs(trade["T"] - now) < 60_000
    ]
    assert has_no_holes(good)
    assert len(good) > 20


def test_slow_frames_arrive_late_and_complete(exchange: RunningExchange, client: StreamClient) -> None:
    exchange.fault("slow", delay_ms=700)
    client.read_for(1.5)
    begin = len(client.trades)
    client.read_until(lambda: len(client.trades) > begin + 5, "late trades")
    late = exchange.get("/fapi/v1/time")["serverTime"] - client.trades[-1]["E"]
    assert 650 <= late < 5000
    exchange.delete("/simulator/faults")
    client.read_for(1.5)
    assert has_no_holes([trade["a"] for trade in client.trades_of("BTCUSDT")])


@pytest.mark.parametrize("status", [429, 418])
def test_a_storm_of_refusals_until_cleared(exchange: RunningExchange, status: int) -> None:
    exchange.fault("rate_limit", status=status, seconds=33)
    answer = exchange.response("/fapi/v1/time")
    assert (answer.status_code, answer.json()["code"]) == (status, -1003)
    assert answer.headers["Retry-After"] == "33"
    exchange.delete("/simulator/faults")
    assert exchange.response("/fapi/v1/time").status_code == 200


def test_rest_can_be_forbidden(exchange: RunningExchange) -> None:
    exchange.fault("rest_error", status=451)
    assert exchange.response("/fapi/v1/time").status_code == 451


def test_archives_can_be_missing_late_corrupt_partial_or_badly_summed(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=3, rate=3, archive_delay_hours=-1)
    path = path_of("BTCUSDT", day(1))
    right = exchange.response(path)

    def fetched(kind: str) -> tuple[requests.Response, requests.Response, bool]:
        """The zip, the checksum, and whether it is listed."""
        exchange.delete("/simulator/faults")
        exchange.fault("archive", kind=kind, symbol="BTCUSDT", date=day(1))
        keys, _, _ = listing(exchange, prefix="data/futures/um/daily/aggTrades/BTCUSDT/")
        other = exchange.response(path_of("BTCUSDT", day(2)))
        assert other.status_code == 200, "other dates are as they were"
        return exchange.response(path), exchange.response(f"{path}.CHECKSUM"), path[1:] in keys

    zipped, checksum, listed = fetched("missing")
    assert (zipped.status_code, checksum.status_code, listed) == (404, 404, False)
    zipped, checksum, listed = fetched("late")
    assert (zipped.status_code, checksum.status_code, listed) == (404, 404, True)
    zipped, checksum, _ = fetched("corrupt")
    assert len(zipped.content) == len(right.content)
    assert checksum.text.split()[0] == hashlib.sha256(right.content).hexdigest()
    assert hashlib.sha256(zipped.content).hexdigest() != checksum.text.split()[0]
    zipped, checksum, _ = fetched("checksum")
    assert zipped.content == right.content
    assert checksum.text.split()[0] != hashlib.sha256(right.content).hexdigest()
    zipped, checksum, _ = fetched("partial")
    assert checksum.text.split()[0] == hashlib.sha256(zipped.content).hexdigest()
    whole = csv_lines(right.content)
    assert csv_lines(zipped.content) == whole[: len(whole) // 2]
    assert zipped.headers["ETag"] != right.headers["ETag"]
    exchange.delete("/simulator/faults")
    assert exchange.response(path).content == right.content


def test_unknown_faults_and_wrong_parameters_are_refused_in_a_sentence(exchange: RunningExchange) -> None:
    answer = exchange.post_response("/simulator/faults", {"fault": "nonsense"})
    assert answer.status_code == 400
    for name in ("drop_connections", "mute", "half_open", "duplicate", "reorder", "skip", "malformed", "rate_limit"):
        assert name in answer.json()["error"]
    for body, said in [
        ({"fault": "duplicate", "rate": 7}, "rate"),
        ({"fault": "skip"}, "symbol"),
        ({"fault": "skip", "symbol": "NOSUCHUSDT"}, "NOSUCHUSDT"),
        ({"fault": "mute", "nonsense": 1}, "nonsense"),
        ([], "there are"),
    ]:
        answer = exchange.post_response("/simulator/faults", body)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
    assert exchange.get("/simulator/faults")["faults"] == []
