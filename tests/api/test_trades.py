"""GET data/trades: which trades, in which order, with which digits."""

from __future__ import annotations

import pytest

from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store

TRADES = "/api/v1/data/trades/BTCUSDT"


def ids(server: Server, path: str = TRADES, **params: object) -> list[int]:
    return [trade["aggregate_id"] for trade in server.data(path, **params)]


@pytest.fixture
def hundred(clickhouse: ClickHouse, server: Server) -> Server:
    """A hundred trades, a second apart."""
    store(clickhouse, [Row(n, NEW_YEAR + n * 1000) for n in range(100)])
    return server


def test_a_trade_has_every_field_with_exact_digits(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(26129, NEW_YEAR + 153, to_count("50000.50"), to_count("0.01"), 7, 2**64 - 1, maker=1)])
    assert (
        '{"aggregate_id":26129,"price":50000.5,"quantity":0.01,"first_trade_id":7,"last_trade_id":18446744073709551615,'
        f'"timestamp":{NEW_YEAR + 153},"is_buyer_maker":true}}'
    ) in server.get(TRADES).text


def test_without_a_range_the_newest_come_ascending(hundred: Server) -> None:
    assert ids(hundred, limit=3) == [97, 98, 99]
    assert ids(hundred) == list(range(100))


def test_a_start_an_end_and_both(hundred: Server) -> None:
    assert ids(hundred, start_time=NEW_YEAR + 10_000, limit=3) == [10, 11, 12]
    assert ids(hundred, end_time=NEW_YEAR + 10_000, limit=3) == [8, 9, 10]
    assert ids(hundred, start_time=NEW_YEAR + 10_000, end_time=NEW_YEAR + 12_000) == [10, 11, 12]
    assert ids(hundred, start_time=NEW_YEAR + 200_000) == []


def test_from_an_id_on(hundred: Server) -> None:
    assert ids(hundred, from_id=95) == [95, 96, 97, 98, 99]
    assert ids(hundred, from_id=5, limit=2) == [5, 6]
    assert ids(hundred, from_id=100) == []


def test_the_latest_are_a_hundred_unless_asked_otherwise(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n) for n in range(1200)])
    assert ids(server, f"{TRADES}/latest") == list(range(1100, 1200))
    assert ids(server, f"{TRADES}/latest", limit=1000) == list(range(200, 1200))


def test_ten_thousand_trades_come_in_one_answer(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n) for n in range(10_100)])
    assert ids(server, limit=10_000) == list(range(100, 10_100))


def test_two_trades_under_one_aggregate_id_are_both_there(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(5, first=2), Row(5, first=1)])
    assert [trade["first_trade_id"] for trade in server.data(TRADES)] == [1, 2]
