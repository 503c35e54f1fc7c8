"""What the exchange does wrong, and what becomes of it."""

from __future__ import annotations

import json
from collections.abc import Callable

from dataprovider.clickhouse import ClickHouse
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, gap_ids, missing_ids, sent_gap_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]


def test_duplicated_and_reordered_trades_are_stored_once_and_open_no_gap(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=10, rate=2000, paused=True)
    collectors = start_collectors(exchange)
    collectors.wait_until_subscribed()
    exchange.fault("duplicate", rate=0.2)
    exchange.fault("reorder", rate=0.2)
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 10_000, 30, "10,000 frames")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 20, "everything to be stored")
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
    wait_until(lambda: collectors.total("duplicates") > 500, 10, "counted duplicates")
    assert gap_ids() == {}


def test_skipped_ids_become_a_gap_of_exactly_these_ids(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=5, rate=500, paused=True)
    collectors = start_collectors(exchange)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 500, 30, "500 frames")
    exchange.fault("skip", symbol="BTCUSDT", count=7)
    wait_until(lambda: {symbol: len(ids) for symbol, ids in gap_ids().items()} == {"BTCUSDT": 7}, 20, "a gap of 7 ids")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange), 20, "the rest to be stored")


def test_frames_that_make_no_sense_are_kept_aside_and_the_rest_goes_on(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=5, rate=500, paused=True)
    collectors = start_collectors(exchange, workers=1)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    exchange.fault("malformed", count=40)
    wait_until(lambda: collectors.total("dead_letters") >= 20, 20, "dead letters")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 500, 20, "500 more frames")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 20, "everything to be stored")
    (file,) = (collectors.home / "dead_letters").iterdir()
    letters = [json.loads(line) for line in file.read_text().splitlines()]
    assert {"not JSON", "unknown symbol"} <= {letter["reason"] for letter in letters}
    assert all(letter["payload"] and letter["at"] for letter in letters)


def test_cut_connections_are_opened_anew_and_what_was_missed_is_a_gap(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=10, rate=2000, paused=True)
    collectors = start_collectors(exchange)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 2000, 30, "2,000 frames")
    exchange.fault("drop_connections")
    wait_until(lambda: collectors.total("reconnects") >= 2, 20, "reconnects")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 5000, 30, "5,000 more frames")
    exchange.post("/simulator/stop")
    wait_until(
        lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange), 20, "gaps that say what is missing"
    )
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
    boundaries = [each.boundaries for each in collectors.statuses()]
    assert sum(counts.get("gap", 0) + counts.get("contiguous", 0) for counts in boundaries) > 0


def test_a_half_open_connection_is_replaced(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=10, rate=1000, paused=True)
    collectors = start_collectors(exchange, workers=1)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 1000, 30, "1,000 frames")
    exchange.fault("half_open")
    wait_until(lambda: collectors.total("reconnects") >= 1, 20, "silence to be noticed")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 2000, 20, "2,000 more frames")
    exchange.post("/simulator/stop")
    wait_until(
        lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange), 20, "gaps that say what is missing"
    )


def test_a_quiet_market_is_not_mistaken_for_a_stall(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    """Trading halts while subscribed, longer than a connection may be silent: a second connection is tried beside the
    first, so nothing is lost when trading goes on."""
    exchange = start_exchange(symbols=5, rate=500, paused=True)
    collectors = start_collectors(exchange, workers=1)
    collectors.wait_until_subscribed()
    wait_until(lambda: collectors.total("connections") == 2, 20, "a second connection beside the first")
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 2000, 30, "2,000 frames")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 20, "everything to be stored")
    assert gap_ids() == {}
