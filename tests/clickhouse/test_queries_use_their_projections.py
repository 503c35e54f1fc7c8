"""Every named query is explained: it reads the projections its first line declares.

Failure 18 of the original: the projections were there, and most of its queries could not use them.
"""

from __future__ import annotations

import re

import numpy as np
import pytest
from clickhouse_driver import Client

from dataprovider.clickhouse import ClickHouse, TradeColumns
from dataprovider.clickhouse.sql import query_names, sql
from tests.clickhouse.trades import NEW_YEAR

HOUR = 3600
START = NEW_YEAR // 1000

PARAMS: dict[str, object] = {
    "trades": "trades_local",
    "symbol": "BTCUSDT",
    "symbols": ["BTCUSDT", "ETHUSDT"],
    "firsts": [200_000, 100_000],
    "lasts": [201_000, 101_000],
    "timeframe": 173,
    "since": START + 30 * HOUR,
    "until": START + 60 * HOUR,
    "start": NEW_YEAR + 30 * HOUR * 1000,
    "end": NEW_YEAR + 60 * HOUR * 1000,
    "limit": 100,
    "days": 2,
    "start_id": 100,
    "from_id": 200_000,
    "to_id": 201_000,
    "first_id": 200_000,
    "last_id": 201_000,
    "ids": [200_000, 300_000],
    "shard": 11,
    "minutes": [START + 48 * HOUR, START + 72 * HOUR],
}

#: So that subqueries that choose what to read are part of the plan instead of being run to make it.
WHOLE_PLAN = {
    "use_index_for_in_with_subqueries": 0,
    "optimize_move_to_prewhere": 0,
    "query_plan_optimize_prewhere": 0,
    "query_plan_optimize_lazy_materialization": 0,
}

DECLARATION = re.compile(r"^-- projection: (?P<names>[a-z0-9_]+(?:, [a-z0-9_]+)*|none: \S.+)$")


@pytest.fixture(scope="module")
def client(migrated_clickhouse: ClickHouse) -> Client:
    """A plain connection to a table of four days, 100,000 trades a day and symbol."""
    migrated_clickhouse.run_text("TRUNCATE TABLE trades_local")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        # Both in one place: their shards are not asked for here.
        migrated_clickhouse.nodes[0].insert(
            "insert_trades", four_days(symbol), {"shard": 0, "epoch": 2**63}, query_id="", token=symbol
        )
    address = migrated_clickhouse.nodes[0].address
    client = Client(
        address.host,
        address.port,
        address.database,
        address.username,
        address.password,
        settings={"server_side_params": True},
    )
    yield client
    client.disconnect()


def four_days(symbol: str) -> TradeColumns:
    ids = np.arange(400_000, dtype=np.uint64)
    ones = np.ones(len(ids), dtype=np.int64)
    symbols = np.full(len(ids), symbol, dtype=object)
    times = NEW_YEAR + ids.astype(np.int64) * 864
    return TradeColumns(symbols, ids, ones, ones, ids, ids, times, ones.astype(np.uint8))


def test_there_are_queries() -> None:
    assert len(query_names()) > 10


@pytest.mark.parametrize("name", query_names())
def test_the_query_reads_what_it_declares(client: Client, name: str) -> None:
    declared = DECLARATION.match(sql("queries", name).splitlines()[0])
    assert declared, f"queries/{name}.sql must begin with `-- projection: <names>` or `-- projection: none: <why>`"
    text = sql("queries", name)
    plan = "\n".join(
        line for (line,) in client.execute(f"EXPLAIN indexes = 1, projections = 1 {text}", PARAMS, settings=WHOLE_PLAN)
    )
    read = set(re.findall(r"Read\w+ \(([\w.]+)\)", plan))
    if declared["names"].startswith("none: "):
        assert all(source.endswith(".trades_local") for source in read), plan
    else:
        assert read >= set(declared["names"].split(", ")), plan
    # And it runs as it is.
    client.execute(text, PARAMS)


@pytest.mark.parametrize(
    ("name", "at_most"),
    [
        ("trades_from_id", 30_000),
        ("missing_ranges", 30_000),
        ("stored_in_range", 30_000),
        ("trades_by_time", 40_000),
        ("trades_latest", 40_000),
        ("trades_page", 40_000),
    ],
)
def test_a_look_up_reads_a_few_granules_of_a_large_table(client: Client, name: str, at_most: int) -> None:
    # Of a range of times; ids inside of it are looked for row by row.
    ids = {"from_id": 0, "to_id": 2**63 - 1} if name == "trades_page" else {}
    client.execute(sql("queries", name), {**PARAMS, **ids})
    assert client.last_query.progress.rows < at_most


@pytest.mark.parametrize("name", ["candles_first", "candles_last"])
@pytest.mark.parametrize(("days", "threads"), [(1, 1), (31, 2)])
def test_a_month_of_candles_is_read_by_two_threads_and_a_day_by_one(
    client: Client, migrated_clickhouse: ClickHouse, name: str, days: int, threads: int
) -> None:
    symbol = "MONTHUSDT"
    migrated_clickhouse.nodes[0].insert(
        "insert_trades", a_trade_a_minute(symbol, 31), {"shard": 0, "epoch": 2**63}, query_id="", token=symbol
    )
    asked = {**PARAMS, "symbol": symbol, "since": START, "until": START + days * 24 * HOUR}
    lines = client.execute(f"EXPLAIN PIPELINE {sql('queries', name)}", asked, settings={"max_threads": 2})
    (read,) = (line for (line,) in lines if "MergeTreeSelect" in line)
    assert ("× 2" in read) == (threads == 2), read


def a_trade_a_minute(symbol: str, days: int) -> TradeColumns:
    ids = np.arange(days * 1440, dtype=np.uint64)
    ones = np.ones(len(ids), dtype=np.int64)
    symbols = np.full(len(ids), symbol, dtype=object)
    times = NEW_YEAR + ids.astype(np.int64) * 60_000
    return TradeColumns(symbols, ids, ones, ones, ids, ids, times, ones.astype(np.uint8))
