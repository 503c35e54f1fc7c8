"""Frames that look like a trade and lie: one harms nothing but itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis
from redis.client import PubSub

from collectors.publisher import minute_channel
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import SHARD_COUNT
from tests.abuse.between import Between, Link, frame
from tests.fixtures_collectors import RunningCollectors, gap_ids, missing_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

SYMBOL = "BTCUSDT"


@pytest.fixture
def exchange(start_exchange: Callable[..., RunningExchange]) -> RunningExchange:
    """One whose trading has halted."""
    return start_exchange(symbols=4, rate=200, paused=True)


@pytest.fixture
def middle(exchange: RunningExchange, between: Callable[[RunningExchange], Between]) -> Between:
    return between(exchange)


@pytest.fixture
def collectors(
    exchange: RunningExchange, middle: Between, start_collectors: Callable[..., RunningCollectors]
) -> RunningCollectors:
    """A worker that has subscribed everything, and of no contract is anything stored."""
    found = start_collectors(exchange, workers=1, BINANCE_STREAM_URL=middle.url)
    found.wait_until_subscribed()
    return found


def link(middle: Between) -> Link:
    found = wait_until(lambda: middle.link_of(SYMBOL), 10, "the connection")
    assert found is not None
    return found


def newest(exchange: RunningExchange) -> dict[str, Any]:
    """The newest trade that the exchange has, as REST tells it."""
    found: dict[str, Any] = exchange.get("/fapi/v1/aggTrades", symbol=SYMBOL, limit=1)[0]
    return found


def event(trade: dict[str, Any], **changes: object) -> bytes:
    """The frame of a trade, changed."""
    fields = {"e": "aggTrade", "E": trade["T"] + 5, "s": SYMBOL, **trade, **changes}
    return frame(json.dumps({"stream": f"{SYMBOL.lower()}@aggTrade", "data": fields}).encode())


def letters(collectors: RunningCollectors) -> list[str]:
    """What was kept aside."""
    files = (collectors.home / "dead_letters").glob("*.jsonl")
    return [json.loads(line)["payload"] for each in files for line in each.read_text().splitlines()]


@pytest.mark.parametrize("absurd", [900_000_000_000, 1])
def test_an_absurd_id_before_a_contracts_first_trade_costs_no_trade(
    exchange: RunningExchange, middle: Between, collectors: RunningCollectors, clickhouse: ClickHouse, absurd: int
) -> None:
    assert link(middle).say([event(newest(exchange), a=absurd)])
    wait_until(lambda: collectors.total("received") == 1, 10, "the frame")
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 1000, 30, "trades")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 20, "every trade to be stored")
    assert absurd not in stored_ids(clickhouse, SYMBOL)
    wait_until(lambda: collectors.total("dead_letters") == 1, 10, "a dead letter")
    (letter,) = letters(collectors)
    assert f"({SYMBOL!r}, {absurd}, " in letter
    assert gap_ids() == {}
    assert collectors.total("duplicates") == 0


def test_the_only_trade_of_a_contract_is_stored_as_soon_as_the_exchange_says_that_it_has_it(
    exchange: RunningExchange, middle: Between, collectors: RunningCollectors, clickhouse: ClickHouse
) -> None:
    trade = newest(exchange)
    assert link(middle).say([event(trade)])
    wait_until(lambda: stored_ids(clickhouse, SYMBOL) == [trade["a"]], 30, "the trade to be stored")
    assert gap_ids() == {}


def test_at_a_stop_it_is_a_gap(
    exchange: RunningExchange, middle: Between, collectors: RunningCollectors, clickhouse: ClickHouse
) -> None:
    # Nothing can be asked.
    exchange.fault("rest_error")
    trade = {"a": 77, "p": "1.5", "q": "2", "f": 7, "l": 8, "T": exchange.state["now_ms"], "m": False}
    assert link(middle).say([event(trade)])
    wait_until(lambda: collectors.total("received") == 1, 10, "the frame")
    assert collectors.stop() == 0
    assert stored_ids(clickhouse, SYMBOL) == []
    assert gap_ids() == {SYMBOL: {77}}


@pytest.fixture
def minutes() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The live minutes as they were published since it was called last."""
    redis = Redis.from_url(settings.CONFIG.redis_url)
    listener: PubSub = redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
    listener.subscribe(*map(minute_channel, range(SHARD_COUNT)))

    def heard() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while (message := listener.get_message()) is not None:
            found.extend(json.loads(message["data"]))
        return found

    yield heard
    listener.close()
    redis.close()


def test_frames_that_are_dated_ahead_close_no_candle_and_a_clock_that_is_moved_is_followed(
    exchange: RunningExchange,
    middle: Between,
    collectors: RunningCollectors,
    minutes: Callable[[], list[dict[str, Any]]],
) -> None:
    exchange.post("/simulator/start")
    wait_until(lambda: SYMBOL in exchange.sent and collectors.total("received") > 400, 30, "trades")
    # From now on the next id is known.
    exchange.fault("mute", symbols=[SYMBOL])
    last = exchange.sent[SYMBOL]["last_id"]
    (trade,) = exchange.get("/fapi/v1/aggTrades", symbol=SYMBOL, fromId=last, limit=1)
    wait_until(lambda: any(each["L"] == last for each in minutes() if each["s"] == SYMBOL), 10, "the last trade")
    ahead = trade["T"] + 3_600_000
    lies = [event(trade, E=trade["T"] + 80_000_000), event(trade, a=last + 1, T=ahead, E=ahead)]
    assert link(middle).say(lies * 3)
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 600, 30, "trades of the others")
    heard = minutes()
    now_ms = exchange.state["now_ms"]
    assert len({each["s"] for each in heard} - {SYMBOL}) == 3
    assert [each for each in heard if each["x"] and each["t"] + 60_000 > now_ms] == []
    assert max(each["E"] for each in heard) <= now_ms
    assert max(each["t"] for each in heard) <= now_ms

    moved = exchange.advance(3600)["now_ms"]
    wait_until(lambda: any(each["E"] >= moved for each in minutes()), 5, "the clock to be followed")
