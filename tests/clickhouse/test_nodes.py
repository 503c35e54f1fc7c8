"""The trades on two servers: each symbol on one of them, and every answer as from one."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clickhouse_driver import Client

from dataprovider.clickhouse import (
    Address,
    ClickHouse,
    ClickHouseUnavailable,
    NodesDisagree,
    StaleEpoch,
    migrate,
)
from dataprovider.clickhouse.client import SPAN_SECONDS
from dataprovider.clickhouse.cluster import check
from dataprovider.clickhouse.shards import shard_of
from dataprovider.config import ConfigError, load_config
from dataprovider.embedded import ServiceStack
from tests.clickhouse.trades import NEW_YEAR, Row, columns, store, stored
from tests.collectors.test_outages import paused, service_pid

MINUTE = 60_000
DAY = 86_400_000
#: Of even and of odd shards.
SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "币安人生USDT", "XRPUSDT", "DOGEUSDT"]
ROWS = [
    Row(n, NEW_YEAR + n * 7 * MINUTE + k, price=100 + n * k, first=2 * n, last=2 * n + 1, symbol=symbol)
    for k, symbol in enumerate(SYMBOLS)
    for n in range(300 + 10 * k)
]
START, END = NEW_YEAR // 1000, NEW_YEAR // 1000 + 40 * 86_400
OF_SEVERAL: list[tuple[str, dict[str, Any]]] = [
    ("check_days", {"symbols": SYMBOLS, "since": START, "until": END}),
    ("check_months", {"symbols": []}),
    ("check_months", {"symbols": SYMBOLS[1:4]}),
    ("check_newest", {"symbols": SYMBOLS, "since": START}),
    ("check_times", {"symbols": SYMBOLS, "minutes": [START] * 6, "ids": [0] * 6}),
    ("day_totals", {"since": START, "until": START + 86_400}),
    ("frontier", {"symbols": SYMBOLS, "days": 2}),
    ("stored_of", {"symbols": SYMBOLS, "firsts": [10] * 6, "lasts": [20 + k for k in range(6)]}),
    ("stored_span", {}),
    ("symbol_extent", {"symbols": SYMBOLS}),
    ("symbols", {}),
    ("total_rows", {}),
]


def on_node(two: ClickHouse, number: int) -> dict[str, int]:
    """Symbol -> rows that lie on this node."""
    return {
        symbol: rows for symbol, rows, *_ in two.nodes[number].run("queries", "symbols", {"trades": "trades_local"})
    }


def test_a_symbol_lives_on_the_node_of_its_shard_and_nowhere_else(two: ClickHouse) -> None:
    store(two, ROWS)
    counts = {symbol: sum(row.symbol == symbol for row in ROWS) for symbol in SYMBOLS}
    for number in (0, 1):
        assert on_node(two, number) == {s: rows for s, rows in counts.items() if shard_of(s) % 2 == number}
        assert on_node(two, number)
    assert stored(two) == len(ROWS)


@pytest.mark.parametrize(("name", "params"), OF_SEVERAL)
def test_what_is_asked_of_several_symbols_is_answered_as_by_one_server(
    two: ClickHouse, clickhouse: ClickHouse, name: str, params: dict[str, Any]
) -> None:
    store(two, ROWS)
    store(clickhouse, ROWS)
    answer = two.query(name, **params)
    assert answer
    # Only what a query orders is in an order.
    assert sorted(answer) == sorted(clickhouse.query(name, **params))
    if name.startswith("check_") and name != "check_times":
        assert answer == clickhouse.query(name, **params)


def test_who_reads_all_nodes_for_one_symbol_asks_only_its_node(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    """The table `trades` is also for people: the servers leave out the nodes that cannot have the symbol."""
    store(two, ROWS)
    asked = addresses[0]
    client = Client(asked.host, asked.port, asked.database, asked.username, asked.password)
    plans = {}
    for symbol in (None, *SYMBOLS):
        where = f"WHERE symbol = '{symbol}'" if symbol else ""
        lines = client.execute(
            f"EXPLAIN SELECT max(price) FROM trades {where}",  # noqa: S608
            settings={"optimize_skip_unused_shards": 1},
        )
        plan = "\n".join(line for (line,) in lines)
        plans[symbol] = "ReadFromRemote" in plan, "ReadFromMergeTree" in plan
    client.disconnect()
    assert plans.pop(None) == (True, True)
    for symbol, (asks_the_other, reads_its_own) in plans.items():
        assert (asks_the_other, reads_its_own) == (shard_of(symbol or "") % 2 == 1, shard_of(symbol or "") % 2 == 0)


def test_a_batch_is_fenced_on_the_node_of_its_shard(two: ClickHouse) -> None:
    for symbol in SYMBOLS[:2]:
        shard = shard_of(symbol)
        two.raise_epoch(shard, 7)
        assert two.epoch_of(shard) == 7
        batch = columns([Row(1, symbol=symbol)])
        with pytest.raises(StaleEpoch):
            two.insert_trades(batch, token="a", shard=shard, epoch=6, query_id="")
        two.insert_trades(batch, token="b", shard=shard, epoch=7, query_id="")
    assert stored(two) == 2


def test_while_a_node_is_away_the_others_are_read_and_written(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    store(two, ROWS)
    away = shard_of("BTCUSDT") % 2
    nodes = tuple(replace(each, port=1) if number == away else each for number, each in enumerate(addresses))
    half = ClickHouse(nodes, connect_timeout=0.5, timeout=2.0)
    with pytest.raises(ClickHouseUnavailable, match=r"127\.0\.0\.1:1"):
        half.query("trades_latest", symbol="BTCUSDT", end=2**42, limit=1)
    assert half.query("trades_latest", symbol="ETHUSDT", end=2**42, limit=1)
    store(half, [Row(9000, NEW_YEAR + DAY, symbol="ETHUSDT")])
    half.close()
    assert stored(two) == len(ROWS) + 1


def test_the_span_is_of_all_nodes_that_answer(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    assert two.span() == (0, 0)
    store(two, [Row(1, NEW_YEAR, symbol="BTCUSDT"), Row(1, NEW_YEAR + DAY, symbol="ETHUSDT")])
    assert two.span() == (NEW_YEAR, NEW_YEAR + DAY)
    away = shard_of("BTCUSDT") % 2
    nodes = tuple(replace(each, port=1) if number == away else each for number, each in enumerate(addresses))
    half = ClickHouse(nodes, connect_timeout=0.5, timeout=2.0)
    assert half.span() == (NEW_YEAR + DAY, NEW_YEAR + DAY)
    half.close()
    # One that was heard before.
    two._quick[away].close()
    assert two.span() == (NEW_YEAR, NEW_YEAR + DAY)
    nowhere = ClickHouse(tuple(replace(each, port=1) for each in addresses), connect_timeout=0.5, timeout=2.0)
    for _ in range(2):
        with pytest.raises(ClickHouseUnavailable):
            nowhere.span()
    nowhere.close()


def test_a_node_that_hangs_holds_up_questions_about_the_others_once(
    two_servers: ServiceStack, two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    store(two, [Row(1, NEW_YEAR, symbol="BTCUSDT"), Row(1, NEW_YEAR + DAY, symbol="ETHUSDT")])
    patient = ClickHouse(addresses)
    assert patient.span() == (NEW_YEAR, NEW_YEAR + DAY)
    names = [name for name in two_servers.services if name.startswith("clickhouse")]
    waits = []
    with paused(service_pid(two_servers, names[shard_of("BTCUSDT") % 2])):
        for _ in range(2):
            began = time.monotonic()
            assert patient.span() == (NEW_YEAR, NEW_YEAR + DAY)
            assert len(patient.query("trades_from_id", symbol="ETHUSDT", from_id=0, limit=10)) == 1
            waits.append(time.monotonic() - began)
    patient.close()
    # Its time-out is 30 seconds.
    assert SPAN_SECONDS <= waits[0] < 20
    assert waits[1] < SPAN_SECONDS


def test_nodes_in_another_order_are_refused_before_a_read_misses_anything(
    two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    with pytest.raises(NodesDisagree, match="CLICKHOUSE_NODES names"):
        migrate(tuple(reversed(addresses)))
    store(two, ROWS)
    assert check(two.nodes).moving is None
    with pytest.raises(NodesDisagree, match="which live on other nodes"):
        check(two.nodes[::-1])


def test_one_node_of_several_is_refused_once_it_holds_trades(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    store(two, ROWS)
    with pytest.raises(NodesDisagree, match=r"holds trades of the shards .*which live on other nodes"):
        migrate(tuple(reversed(addresses)))
    assert migrate(addresses) == []


@pytest.mark.parametrize("value", ["ch1,,ch2", "ch1,ch1", "ch1:0", "ch1:70000", "ch 1", "http://ch1"])
def test_nodes_that_cannot_be_meant_are_refused(value: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CLICKHOUSE_NODES"):
        load_config({"CLICKHOUSE_NODES": value}, tmp_path)


def test_nodes_take_the_usual_port_and_serve_as_the_host(tmp_path: Path) -> None:
    config = load_config({"CLICKHOUSE_NODES": "ch1, ch2:9001", "CLICKHOUSE_NATIVE_PORT": "9440"}, tmp_path)
    assert [str(each) for each in Address.of_nodes(config)] == ["ch1:9440", "ch2:9001"]
    assert config.clickhouse_host == "ch1"
