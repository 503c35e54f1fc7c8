"""Failure 17 of the original: candles of a range. (18: tests/clickhouse/test_queries_use_their_projections.py.)"""

from __future__ import annotations

import pytest

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, _shared_server, server, test_database_url  # noqa: F401
from tests.clickhouse.trades import NEW_YEAR, Row, store

KLINES = "/api/v1/data/klines/BTCUSDT"
MINUTE = 60_000
QUARTER = 15 * MINUTE


@pytest.fixture
def hour(server: Server, clickhouse: ClickHouse) -> Server:  # noqa: F811
    """A trade every minute of an hour and one after it: four candles of 15 minutes."""
    store(clickhouse, [Row(number, NEW_YEAR + number * MINUTE, first=number, last=number) for number in range(61)])
    return server


@pytest.mark.parametrize("into", [1, 7 * MINUTE, QUARTER - 1])
def test_a_range_that_begins_inside_a_candle_begins_with_a_whole_one(hour: Server, into: int) -> None:
    """Failure 17 of the original: the first candle was made of the trades since start_time alone, and looked whole."""
    first, *_ = hour.data(KLINES, timeframe=15, start_time=NEW_YEAR + into)
    assert (first["candle_time"], first["trades_count"], first["complete"]) == (NEW_YEAR + QUARTER, 15, True)
    last = hour.data(KLINES, timeframe=15, end_time=NEW_YEAR + QUARTER + into)[-1]
    assert (last["candle_time"], last["trades_count"], last["complete"]) == (NEW_YEAR + QUARTER, 15, True)


def test_a_limit_holds_within_a_range(hour: Server) -> None:
    """Failure 17 of the original: with start_time and end_time everything came, whatever the limit."""
    found = hour.data(KLINES, timeframe=15, start_time=NEW_YEAR, end_time=NEW_YEAR + 4 * QUARTER, limit=2)
    assert [each["candle_time"] for each in found] == [NEW_YEAR, NEW_YEAR + QUARTER]


def test_open_and_close_of_one_millisecond_are_those_of_the_first_and_last_id(
    server: Server,  # noqa: F811
    clickhouse: ClickHouse,
) -> None:
    """Failure 17 of the original: argMin and argMax by time take any of the trades that share it."""
    for number in (5, 2, 8, 3):
        store(clickhouse, [Row(number, NEW_YEAR, price=number * 10**8, first=number, last=number)])
    (candle,) = server.data(KLINES)
    assert (candle["open"], candle["close"], candle["high"], candle["low"]) == (2, 8, 8, 2)


def test_a_gap_and_a_duplicate_in_a_candle_do_not_cancel_out(
    server: Server,  # noqa: F811
    clickhouse: ClickHouse,
) -> None:
    """Its count is right, its ids are not."""
    minutes = [Row(number, NEW_YEAR + number * MINUTE, first=number, last=number) for number in range(61)]
    store(clickhouse, [row for row in minutes if row.aggregate_id != 20])
    store(clickhouse, [minutes[22]])
    candles = server.data(KLINES, timeframe=15)
    assert [each["aggregate_count"] for each in candles] == [15, 15, 15, 15, 1]
    assert [each["complete"] for each in candles] == [False, False, True, True, False]
