"""Candles out of ClickHouse equal a plain fold of the same trades in Python, digit for digit."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from itertools import groupby
from typing import Any

import pytest

from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count, to_text
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.shared_data import SHARED_DATA, needs_shared_data

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS


def random_trades(seed: int, count: int, spread_ms: int) -> list[Row]:
    """Trades of which many share a millisecond, some of them at a minute's border; ids ascend with time."""
    pick = random.Random(seed)
    times = [NEW_YEAR + pick.randrange(spread_ms) for _ in range(count // 4)]
    times += [time - time % MINUTE_MS - pick.choice((0, 0, 1)) for time in times]
    times = sorted(times + times)
    return [
        Row(
            aggregate_id=1000 + n,
            time=time,
            price=pick.randrange(1, 10**14),
            quantity=pick.randrange(1, 10**12),
            first=3 * n,
            last=3 * n + pick.randrange(3),
            maker=pick.randrange(2),
        )
        for n, time in enumerate(times)
    ]


def folded(rows: list[Row], timeframe: int) -> list[tuple[int, ...]]:
    """The candles as queries/candles_first.sql describes them."""
    span = timeframe * MINUTE_MS
    ordered = sorted(rows, key=lambda row: (row.time // span, row.aggregate_id))
    return [candle(bucket * span, list(group)) for bucket, group in groupby(ordered, lambda row: row.time // span)]


def candle(open_time: int, rows: list[Row]) -> tuple[int, ...]:
    bought = [row for row in rows if not row.maker]
    ids = [row.aggregate_id for row in rows]
    return (
        open_time,
        rows[0].price,
        max(row.price for row in rows),
        min(row.price for row in rows),
        rows[-1].price,
        sum(row.quantity for row in rows),
        sum(row.quantity for row in bought),
        sum(row.price * row.quantity for row in rows),
        sum(row.price * row.quantity for row in bought),
        len(rows),
        sum(row.last - row.first + 1 for row in rows),
        *(min(ids), max(ids), sum(ids)),
    )


def ask(clickhouse: ClickHouse, query: str, timeframe: int, **given: Any) -> list[tuple[int, ...]]:
    params = {"symbol": "BTCUSDT", "since": 0, "until": 2**32 - 1, "limit": 100_000, **given}
    return clickhouse.query(query, timeframe=timeframe, **params)


@pytest.mark.parametrize("timeframe", [1, 5, 173, 1440, 2850, 43200])
def test_candles_of_any_timeframe_equal_a_plain_fold(clickhouse: ClickHouse, timeframe: int) -> None:
    rows = random_trades(timeframe, 3000, 9 * DAY_MS)
    # In three parts, cut anywhere: what is merged may not matter.
    for part in range(3):
        store(clickhouse, rows[part::3])
    expected = folded(rows, timeframe)
    assert ask(clickhouse, "candles_first", timeframe) == expected
    assert ask(clickhouse, "candles_last", timeframe) == expected[::-1]
    clickhouse.run_text("OPTIMIZE TABLE trades_local FINAL")
    assert ask(clickhouse, "candles_first", timeframe) == expected


def test_open_and_close_of_trades_in_one_millisecond_go_by_the_aggregate_id(clickhouse: ClickHouse) -> None:
    rows = [Row(n, NEW_YEAR, price=price) for n, price in ((7, 300), (5, 100), (9, 200), (8, 400))]
    for row in rows:
        store(clickhouse, [row])
    ((_, opened, high, low, closed, *_),) = ask(clickhouse, "candles_first", 1)
    assert (opened, high, low, closed) == (100, 400, 100, 200)


def test_buckets_are_floored_from_the_unix_epoch(clickhouse: ClickHouse) -> None:
    store(clickhouse, random_trades(1, 400, 9 * DAY_MS))
    for timeframe in (173, 2850):
        assert {row[0] % (timeframe * MINUTE_MS) for row in ask(clickhouse, "candles_first", timeframe)} == {0}


def test_range_and_limit_take_from_the_right_end(clickhouse: ClickHouse) -> None:
    rows = random_trades(2, 2000, 2 * DAY_MS)
    store(clickhouse, rows)
    since, until = NEW_YEAR // 1000 + 3600, NEW_YEAR // 1000 + 30 * 3600
    inside = [row for row in folded(rows, 60) if since * 1000 <= row[0] < until * 1000]
    assert len(inside) == 29
    assert ask(clickhouse, "candles_first", 60, since=since, until=until) == inside
    assert ask(clickhouse, "candles_first", 60, since=since, until=until, limit=3) == inside[:3]
    assert ask(clickhouse, "candles_last", 60, since=since, until=until, limit=3) == inside[-3:][::-1]


def test_minutes_without_trades_and_other_symbols_give_no_candle(clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1, NEW_YEAR), Row(2, NEW_YEAR + 10 * MINUTE_MS), Row(3, NEW_YEAR, symbol="ETHUSDT")])
    assert [row[0] for row in ask(clickhouse, "candles_first", 1)] == [NEW_YEAR, NEW_YEAR + 10 * MINUTE_MS]


DAY, HOUR = 86_400, 3600


@pytest.mark.parametrize(
    ("since", "until", "before", "after"),
    [
        (HOUR, 2 * HOUR, (0, 59), (120, 1559)),
        (0, 60, None, (1, 1440)),
        (25 * HOUR, 26 * HOUR, (60, 1499), (1560, 2879)),
        (-DAY, 2 * DAY, None, None),
    ],
)
def test_the_ids_within_a_day_of_a_range_are_found(
    clickhouse: ClickHouse, since: int, until: int, before: tuple[int, int] | None, after: tuple[int, int] | None
) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * MINUTE_MS) for n in range(2 * 1440)])
    start = NEW_YEAR // 1000
    found = clickhouse.query("candle_neighbours", symbol="BTCUSDT", since=start + since, until=start + until)
    expected = [(side, *ids) for side, ids in ((0, after), (1, before)) if ids is not None]
    assert found == expected


def test_ids_further_away_are_found_by_the_day(clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * 3 * DAY_MS) for n in range(6)])
    start = NEW_YEAR // 1000 + 7 * DAY + 12 * HOUR
    near = clickhouse.query("candle_neighbours", symbol="BTCUSDT", since=start, until=start + HOUR)
    far = clickhouse.query("candle_far_neighbours", symbol="BTCUSDT", since=start, until=start + HOUR)
    assert (near, far) == ([], [(0, 3, 5), (1, 0, 2)])


@needs_shared_data
def test_the_three_candles_of_a_real_morning_equal_those_of_the_exchange(clickhouse: ClickHouse) -> None:
    folder = SHARED_DATA / "archives/futures/um/daily/aggTrades/BTCUSDT"
    with zipfile.ZipFile(folder / "BTCUSDT-aggTrades-2024-01-01.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode()
    lines = [line for line in csv.reader(io.StringIO(text)) if line[0].isdigit()]
    store(
        clickhouse,
        [
            Row(int(a), int(time), to_count(price), to_count(quantity), int(first), int(last), maker == "true")
            for a, price, quantity, first, last, time, maker in lines
        ],
    )
    with (SHARED_DATA / "klines/BTCUSDT-4h-2024-01-01-morning.csv").open() as file:
        expected = [[to_text(to_count(value)) for value in list(line.values())[1:]] for line in csv.DictReader(file)]
    candles = ask(clickhouse, "candles_first", 240)
    assert [[to_text(value) for value in row[1:6]] for row in candles] == expected
