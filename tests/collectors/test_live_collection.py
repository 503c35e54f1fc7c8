"""Live collection, from the exchange's stream to ClickHouse: each trade once, whatever is switched meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from django.conf import settings
from redis import Redis
from redis.client import PubSub

from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, gap_ids, missing_ids, sent_gap_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]


def wait_until_stored(clickhouse: ClickHouse, exchange: RunningExchange, seconds: float = 20) -> None:
    """Wait until nothing that a stopped exchange sent is missing."""
    sent = exchange.sent
    wait_until(lambda: not missing_ids(clickhouse, sent), seconds, "every sent trade to be stored")


def test_every_trade_is_stored_once_and_field_by_field(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=40, rate=2000, paused=True)
    collectors = start_collectors(exchange)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: exchange.state["sent"] > 6000, 30, "6,000 trades")
    exchange.post("/simulator/stop")
    wait_until_stored(clickhouse, exchange)
    sent = exchange.sent
    assert sum(len(stored_ids(clickhouse, symbol)) for symbol in sent) == sum(each["count"] for each in sent.values())
    assert duplicated_ids(clickhouse, list(sent)) == {}
    assert gap_ids() == {}
    busiest = max(sent, key=lambda symbol: sent[symbol]["count"])
    first = sent[busiest]["first_id"]
    expected = [
        (row["a"], to_count(row["p"]), to_count(row["q"]), row["f"], row["l"], row["T"], row["m"])
        for row in exchange.get("/fapi/v1/aggTrades", symbol=busiest, fromId=first, limit=1000)
    ]
    rows = clickhouse.query("trades_from_id", symbol=busiest, from_id=first, limit=len(expected))
    assert [(*(int(value) for value in row[:6]), bool(row[6])) for row in rows] == expected
    assert len(expected) > 100


def test_sigterm_drains_within_ten_seconds_and_what_was_missed_while_down_is_a_gap(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    first = start_collectors(exchange)
    wait_until(lambda: first.total("stored") > 3000, 30, "3,000 stored trades")
    assert first.stop(seconds=10) == 0
    # Nothing that was received is lost: what is stored has no hole.
    for symbol in Symbol.objects.values_list("name", flat=True):
        ids = stored_ids(clickhouse, symbol)
        assert ids == list(range(ids[0], ids[0] + len(ids))) if ids else True
    second = start_collectors(exchange)
    wait_until(lambda: second.total("stored") > 3000, 30, "3,000 stored trades")
    exchange.post("/simulator/stop")
    wait_until(
        lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange) != {},
        20,
        "gaps that say what is missing",
    )
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}


def test_sigterm_to_the_whole_process_group_drains_too(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=20, rate=2000)
    collectors = start_collectors(exchange)
    wait_until(lambda: collectors.total("stored") > 3000, 30, "3,000 stored trades")
    exchange.post("/simulator/stop")
    received = wait_until(lambda: collectors.total("received"), 5, "a heartbeat")
    assert received > 3000
    assert collectors.stop_group(seconds=10) == 0
    assert missing_ids(clickhouse, exchange.sent) == {}


def test_a_symbol_switched_off_stops_and_switched_on_goes_on_while_running(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=10, rate=1000)
    collectors = start_collectors(exchange, workers=1)
    wait_until(lambda: len(stored_ids(clickhouse, "BTCUSDT")) > 200, 30, "stored BTCUSDT trades")
    before = collectors.total("symbols")
    Symbol.objects.filter(name="BTCUSDT").update(enabled=False)
    wait_until(lambda: collectors.total("symbols") == before - 1, 10, "one symbol less")
    others = [symbol for symbol in exchange.sent if symbol != "BTCUSDT"]
    busiest = max(others, key=lambda symbol: exchange.sent[symbol]["count"])
    frozen = wait_until(lambda: unchanged_for_a_while(clickhouse, "BTCUSDT", busiest), 20, "BTCUSDT to stand still")
    Symbol.objects.filter(name="BTCUSDT").update(enabled=True)
    wait_until(lambda: len(stored_ids(clickhouse, "BTCUSDT")) > frozen + 200, 20, "BTCUSDT to go on")
    exchange.post("/simulator/stop")
    wait_until(lambda: set(missing_ids(clickhouse, exchange.sent)) <= {"BTCUSDT"}, 20, "the others to be stored")
    wait_until(lambda: sent_gap_ids(exchange) == missing_ids(clickhouse, exchange.sent), 10, "the gap of the pause")
    assert gap_ids().keys() <= {"BTCUSDT"}


def unchanged_for_a_while(clickhouse: ClickHouse, symbol: str, other: str) -> int:
    """The number of stored trades of `symbol`, when `other` gained some and it gained none; else 0."""
    before, start = len(stored_ids(clickhouse, symbol)), len(stored_ids(clickhouse, other))
    wait_until(lambda: len(stored_ids(clickhouse, other)) > start + 50, 20, f"{other} to go on")
    return before if len(stored_ids(clickhouse, symbol)) == before else 0


def test_live_minutes_are_published_and_equal_the_stored_trades(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=3, rate=300, paused=True)
    collectors = start_collectors(exchange, workers=1)
    redis = Redis.from_url(settings.CONFIG.redis_url)
    pubsub = PubSub(redis.connection_pool, ignore_subscribe_messages=True)
    pubsub.psubscribe("dataprovider:minutes:*")
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: exchange.state["sent"] > 900, 30, "900 trades")
    exchange.post("/simulator/stop")
    wait_until_stored(clickhouse, exchange)
    assert collectors.stop() == 0
    newest = last_bars(pubsub)
    pubsub.close()
    redis.close()
    ids = stored_ids(clickhouse, "BTCUSDT")
    bars = {minute: bar for (symbol, minute), bar in newest.items() if symbol == "BTCUSDT"}
    assert sum(bar["a"] for bar in bars.values()) == len(ids)
    rows = clickhouse.query("trades_from_id", symbol="BTCUSDT", from_id=ids[0], limit=10_000)
    for minute, bar in bars.items():
        inside = [row for row in rows if minute <= int(row[5]) < minute + 60_000]
        assert (bar["o"], bar["c"]) == (int(inside[0][1]), int(inside[-1][1]))
        assert (bar["h"], bar["l"]) == (max(int(row[1]) for row in inside), min(int(row[1]) for row in inside))
        assert int(bar["v"]) == sum(int(row[2]) for row in inside)
        assert int(bar["q"]) == sum(int(row[1]) * int(row[2]) for row in inside)
        assert bar["n"] == sum(int(row[4]) - int(row[3]) + 1 for row in inside)


def last_bars(pubsub: PubSub) -> dict[tuple[str, int], dict[str, Any]]:
    """The newest message of each published minute."""
    newest: dict[tuple[str, int], dict[str, Any]] = {}
    silent = 0
    while silent < 5:
        message = pubsub.get_message(timeout=0.1)
        silent = silent + 1 if message is None else 0
        for bar in orjson.loads(message["data"]) if message else ():
            newest[bar["s"], bar["t"]] = bar
    return newest
