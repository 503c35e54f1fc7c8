"""Looking trades up by aggregate id, although they lie in order of time."""

from __future__ import annotations

import random

import pytest

from dataprovider.clickhouse import ClickHouse
from tests.clickhouse.trades import NEW_YEAR, Row, store

DAY_MS = 86_400_000


def spread(ids: list[int]) -> list[Row]:
    """One trade for each id, nine hours apart."""
    return [Row(n, NEW_YEAR + n * DAY_MS * 3 // 8, first=n, last=n) for n in ids]


@pytest.mark.parametrize(("from_id", "limit"), [(0, 5), (7, 1), (7, 100), (99, 10), (100, 10), (40, 3), (41, 60)])
def test_trades_from_an_id_come_in_order_and_up_to_the_limit(clickhouse: ClickHouse, from_id: int, limit: int) -> None:
    ids = [n for n in range(100) if n not in range(41, 60)]
    store(clickhouse, spread(ids))
    rows = clickhouse.query("trades_from_id", symbol="BTCUSDT", from_id=from_id, limit=limit)
    assert [row[0] for row in rows] == [n for n in ids if n >= from_id][:limit]


def test_trades_from_an_id_inside_a_crowded_minute_are_not_cut_short(clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * 7) for n in range(50_000)])
    rows = clickhouse.query("trades_from_id", symbol="BTCUSDT", from_id=8_500, limit=10_000)
    assert [row[0] for row in rows] == list(range(8_500, 18_500))


def test_missing_ids_are_reported_as_ranges(clickhouse: ClickHouse) -> None:
    gone = {*range(10, 12), 50, *range(90, 100)}
    store(clickhouse, spread([n for n in range(100) if n not in gone]))

    def ask(first: int, last: int) -> list[tuple[int, ...]]:
        return clickhouse.query("missing_ranges", symbol="BTCUSDT", first_id=first, last_id=last)

    assert ask(0, 99) == [(10, 11), (50, 50), (90, 99)]
    assert ask(0, 120) == [(10, 11), (50, 50), (90, 120)]
    assert ask(11, 50) == [(11, 11), (50, 50)]
    assert ask(12, 49) == []
    assert ask(10, 11) == [(10, 11)]
    assert ask(500, 600) == [(500, 600)]


def test_a_symbol_without_trades_misses_everything(clickhouse: ClickHouse) -> None:
    assert clickhouse.query("missing_ranges", symbol="NONE", first_id=5, last_id=9) == [(5, 9)]


def test_a_duplicate_does_not_hide_a_gap(clickhouse: ClickHouse) -> None:
    store(clickhouse, spread([0, 1, 3]))
    store(clickhouse, spread([3]))
    assert clickhouse.query("missing_ranges", symbol="BTCUSDT", first_id=0, last_id=3) == [(2, 2)]
    assert clickhouse.query("stored_in_range", symbol="BTCUSDT", first_id=0, last_id=3) == [(4, 3)]


def test_two_trades_under_one_aggregate_id_are_two_trades(clickhouse: ClickHouse) -> None:
    twins = [Row(926014272, first=2468302188), Row(926014272, first=2468302190)]
    store(clickhouse, twins)
    assert clickhouse.query("stored_in_range", symbol="BTCUSDT", first_id=926014272, last_id=926014272) == [(2, 2)]


def test_missing_ranges_equal_a_plain_search_on_random_holes(clickhouse: ClickHouse) -> None:
    pick = random.Random(5)
    ids = sorted(pick.sample(range(20_000), 19_500))
    store(clickhouse, [Row(n, NEW_YEAR + n * 9_000) for n in ids])
    gone = sorted(set(range(2_000, 18_000)) - set(ids))
    ranges: list[tuple[int, int]] = []
    for n in gone:
        ranges[-1:] = [(ranges[-1][0], n)] if ranges and ranges[-1][1] == n - 1 else [*ranges[-1:], (n, n)]
    assert clickhouse.query("missing_ranges", symbol="BTCUSDT", first_id=2_000, last_id=17_999) == ranges


def test_extents_and_frontiers_name_days_counts_and_ids(clickhouse: ClickHouse) -> None:
    rows = [Row(n, NEW_YEAR + n * DAY_MS // 2) for n in range(6)]
    store(clickhouse, [*rows, *(row._replace(symbol="ETHUSDT") for row in rows[:1])])
    day = NEW_YEAR // 1000
    symbols = ["BTCUSDT", "ETHUSDT", "NONE"]
    assert clickhouse.query("symbol_extent", symbols=symbols) == [
        ("BTCUSDT", 6, 0, 5, 15, day, day + 2 * 86_400),
        ("ETHUSDT", 1, 0, 0, 0, day, day),
    ]
    assert clickhouse.query("frontier", symbols=symbols, days=2) == [
        ("BTCUSDT", day + 2 * 86_400, 2, 4, 5, 9),
        ("BTCUSDT", day + 86_400, 2, 2, 3, 5),
        ("ETHUSDT", day, 1, 0, 0, 0),
    ]
    assert clickhouse.query("symbols") == [("BTCUSDT", 6, 0, 5), ("ETHUSDT", 1, 0, 0)]
    assert clickhouse.query("total_rows") == [(7, NEW_YEAR + 5 * DAY_MS // 2)]
    assert clickhouse.query("stored_span") == [(7, NEW_YEAR, NEW_YEAR + 5 * DAY_MS // 2)]


def test_a_days_fingerprint_depends_on_its_rows_and_not_on_their_order(clickhouse: ClickHouse) -> None:
    def fingerprint(rows: list[Row]) -> int:
        clickhouse.run_text("TRUNCATE TABLE trades_local")
        for row in rows:
            store(clickhouse, [row])
        ((*_, value),) = clickhouse.query("symbol_days", symbol="BTCUSDT", since=0, until=2**32 - 1)
        return int(value)

    rows = [Row(n, NEW_YEAR + n) for n in range(5)]
    assert fingerprint(rows) == fingerprint(rows[::-1])
    assert fingerprint(rows) != fingerprint([*rows[:4], rows[4]._replace(quantity=2)])
