"""What goes in comes out, digit for digit."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataprovider.clickhouse import ClickHouse
from tests.clickhouse.trades import NEW_YEAR, Row, store

UINT64 = st.integers(min_value=0, max_value=2**64 - 1)
COUNT = st.integers(min_value=0, max_value=2**63 - 1)
#: What DateTime64(3) holds and toYYYYMM can name.
TIME = st.integers(min_value=0, max_value=4_102_444_800_000)
SYMBOL = st.text(min_size=1, max_size=40)


def read(clickhouse: ClickHouse, symbol: str) -> list[tuple[int, ...]]:
    return clickhouse.query("trades_by_time", symbol=symbol, start=0, end=2**42, limit=1000)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.builds(Row, UINT64, TIME, COUNT, COUNT, UINT64, UINT64, st.integers(0, 1)), min_size=1, max_size=20),
    SYMBOL,
)
def test_every_column_comes_back_exactly(clickhouse: ClickHouse, rows: list[Row], symbol: str) -> None:
    clickhouse.run_text("TRUNCATE TABLE trades_local")
    store(clickhouse, [row._replace(symbol=symbol) for row in rows])
    expected = [(r.aggregate_id, r.price, r.quantity, r.first, r.last, r.time, r.maker) for r in rows]
    assert sorted(read(clickhouse, symbol)) == sorted(expected)


def test_a_symbol_longer_than_a_one_byte_length_comes_back(clickhouse: ClickHouse) -> None:
    symbol = "安" * 100
    store(clickhouse, [Row(1, symbol=symbol)])
    assert len(read(clickhouse, symbol)) == 1


def test_the_largest_products_add_up_without_overflow(clickhouse: ClickHouse) -> None:
    largest = 2**63 - 1
    store(clickhouse, [Row(n, NEW_YEAR, largest, largest) for n in range(3)])
    (candle,) = clickhouse.query("candles_first", symbol="BTCUSDT", timeframe=1, since=0, until=2**32 - 1, limit=5)
    assert candle[5] == 3 * largest


@pytest.mark.parametrize("symbol", ["'; DROP TABLE trades_local; --", "a\\'b", "a\tb\nc", "{symbol:String}", "%(x)s"])
def test_a_symbol_is_never_read_as_sql(clickhouse: ClickHouse, symbol: str) -> None:
    store(clickhouse, [Row(1), Row(2, symbol=symbol)])
    assert [row[0] for row in read(clickhouse, symbol)] == [2]
    assert [row[0] for row in clickhouse.query("symbol_extent", symbols=[symbol])] == [symbol]
