"""GET data/klines and data/ohlcv: which candles, their digits, and what is said of each."""

from __future__ import annotations

import csv
import io
import zipfile
from decimal import Decimal

import pytest
import requests

from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.shared_data import SHARED_DATA, needs_shared_data

KLINES = "/api/v1/data/klines/BTCUSDT"
MINUTE = 60_000


def per_minute(minutes: range) -> list[Row]:
    """Two trades in each of these minutes of the year, ids without a hole."""
    return [
        Row(2 * m + k, NEW_YEAR + m * MINUTE + k * 30_000, first=10 * m + 2 * k, last=10 * m + 2 * k + 1)
        for m in minutes
        for k in (0, 1)
    ]


def opened(server: Server, **params: object) -> list[int]:
    """The minutes of the year at which the candles open."""
    return [(candle["candle_time"] - NEW_YEAR) // MINUTE for candle in server.data(KLINES, **params)]


def test_a_candle_has_every_field_with_exact_digits(server: Server, clickhouse: ClickHouse) -> None:
    store(
        clickhouse,
        [
            Row(1, NEW_YEAR, to_count("42283.58"), to_count("0.00069"), 5, 6, maker=1),
            Row(2, NEW_YEAR + 1, to_count("42775"), to_count("0.3"), 7, 9, maker=0),
            Row(3, NEW_YEAR + 1, to_count("0.00000001"), to_count("0.1"), 10, 10, maker=0),
        ],
    )
    text = server.get(KLINES, timeframe=240).text
    assert (
        f'{{"candle_time":{NEW_YEAR},"open":42283.58,"high":42775,"low":0.00000001,"close":0.00000001,'
        '"volume":0.40069,"quote_volume":12861.675670201,"taker_buy_volume":0.4,"taker_sell_volume":0.00069,'
        '"trades_count":6,"aggregate_count":3,"complete":false,"closed":false}'
    ) in text


def test_digits_that_no_float_can_hold_arrive(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1, price=2**63 - 1, quantity=2**63 - 1)])
    (candle,) = server.get(KLINES).json(parse_float=Decimal)["data"]
    assert candle["open"] == Decimal("92233720368.54775807")
    assert candle["quote_volume"] == Decimal("8507059173023461584739.6907784232501249")


def test_ohlcv_is_the_same_as_klines(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(10)))
    assert server.data("/api/v1/data/ohlcv/BTCUSDT", timeframe=3) == server.data(KLINES, timeframe=3)


def test_without_a_range_the_newest_candles_come_ascending(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(100)))
    assert opened(server, limit=3) == [97, 98, 99]
    assert opened(server, limit=1000) == list(range(100))


def test_with_a_start_the_first_candles_from_there_come(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(100)))
    assert opened(server, start_time=NEW_YEAR + 10 * MINUTE, limit=3) == [10, 11, 12]
    assert opened(server, start_time=NEW_YEAR + 10 * MINUTE + 1, limit=3) == [11, 12, 13]


def test_with_only_an_end_the_newest_up_to_it_come(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(100)))
    assert opened(server, end_time=NEW_YEAR + 50 * MINUTE, limit=3) == [48, 49, 50]
    assert opened(server, end_time=NEW_YEAR + 50 * MINUTE - 1, limit=3) == [47, 48, 49]


def test_with_both_the_candles_that_open_inside_come_up_to_the_limit(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(100)))
    span = {"start_time": NEW_YEAR + 10 * MINUTE, "end_time": NEW_YEAR + 14 * MINUTE}
    assert opened(server, **span) == [10, 11, 12, 13, 14]
    assert opened(server, **span, limit=2) == [10, 11]


def test_candles_at_the_ends_of_a_range_hold_all_of_their_trades(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(100)))
    inside = {"start_time": NEW_YEAR + 3 * MINUTE, "end_time": NEW_YEAR + 23 * MINUTE}
    candles = server.data(KLINES, timeframe=10, **inside)
    assert [(c["candle_time"] - NEW_YEAR) // MINUTE for c in candles] == [10, 20]
    assert [c["aggregate_count"] for c in candles] == [20, 20]


@pytest.mark.parametrize("timeframe", [1, 173, 2850, 43_200])
def test_far_apart_trades_are_found_from_both_ends(server: Server, clickhouse: ClickHouse, timeframe: int) -> None:
    days = [0, 1, 40, 300, 301, 700]
    store(clickhouse, [Row(n, NEW_YEAR + day * 1440 * MINUTE) for n, day in enumerate(days)])
    times = sorted({(NEW_YEAR + day * 1440 * MINUTE) // (timeframe * MINUTE) * timeframe * MINUTE for day in days})
    for limit in range(1, len(times) + 1):
        newest = server.data(KLINES, timeframe=timeframe, limit=limit)
        oldest = server.data(KLINES, timeframe=timeframe, limit=limit, start_time=0)
        assert [candle["candle_time"] for candle in newest] == times[-limit:]
        assert [candle["candle_time"] for candle in oldest] == times[:limit]


def verdicts(server: Server, **params: object) -> list[tuple[bool, bool]]:
    return [(candle["closed"], candle["complete"]) for candle in server.data(KLINES, **params)]


def test_a_candle_is_closed_when_the_exchanges_time_has_passed_its_end(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(2)))
    assert [closed for closed, _ in verdicts(server)] == [True, False]
    # Another symbol's trade says that the minute is over.
    store(clickhouse, [Row(1, NEW_YEAR + 2 * MINUTE, symbol="ETHUSDT")])
    assert [closed for closed, _ in verdicts(server)] == [True, True]


def test_a_candle_is_complete_only_with_its_neighbours_on_both_sides(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(5)))
    assert [complete for _, complete in verdicts(server)] == [False, True, True, True, False]
    # The neighbours count when they are not part of the answer too, whichever end it is cut at.
    start = NEW_YEAR + MINUTE
    assert [c for _, c in verdicts(server, start_time=start, limit=2)] == [True, True]
    assert [c for _, c in verdicts(server, end_time=start + MINUTE, limit=2)] == [True, True]
    assert [c for _, c in verdicts(server, start_time=start, end_time=start + MINUTE)] == [True, True]


def test_neighbours_days_away_are_found(server: Server, clickhouse: ClickHouse) -> None:
    times = [NEW_YEAR + day * 1440 * MINUTE for day in (0, 5, 10, 15)]
    store(clickhouse, [Row(n, time) for n, time in enumerate(times)])
    for time in times[1:3]:
        assert verdicts(server, start_time=time, end_time=time) == [(True, True)]
        assert verdicts(server, start_time=time - 5 * MINUTE, end_time=time + 5 * MINUTE) == [(True, True)]
    assert [complete for _, complete in verdicts(server)] == [False, True, True, False]


def test_a_hole_inside_or_beside_a_candle_makes_it_incomplete(server: Server, clickhouse: ClickHouse) -> None:
    gone = {4, 9}  # the first trade of minute 2, the last of minute 4
    store(clickhouse, [row for row in per_minute(range(8)) if row.aggregate_id not in gone])
    assert [c for _, c in verdicts(server)] == [False, False, False, True, False, False, True, False]


def test_a_gap_and_a_duplicate_do_not_cancel_out(server: Server, clickhouse: ClickHouse) -> None:
    rows = [Row(n, NEW_YEAR + (n // 4) * MINUTE + n) for n in range(12)]
    store(clickhouse, [row for row in rows if row.aggregate_id != 5])
    store(clickhouse, [rows[6]])
    assert [(c["aggregate_count"], c["complete"]) for c in server.data(KLINES)][1] == (4, False)


def test_a_large_answer_comes_whole(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(30_100)))
    assert opened(server, limit=30_000) == list(range(100, 30_100))


@needs_shared_data
def test_a_real_morning_equals_the_exchanges_own_candles(server: Server, clickhouse: ClickHouse) -> None:
    folder = SHARED_DATA / "archives/futures/um/daily/aggTrades/BTCUSDT"
    with zipfile.ZipFile(folder / "BTCUSDT-aggTrades-2024-01-01.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode()
    store(
        clickhouse,
        [
            Row(int(a), int(time), to_count(price), to_count(quantity), int(first), int(last), maker == "true")
            for a, price, quantity, first, last, time, maker in csv.reader(io.StringIO(text))
            if a.isdigit()
        ],
    )
    with (SHARED_DATA / "klines/BTCUSDT-4h-2024-01-01-morning.csv").open() as file:
        expected = [tuple(Decimal(v) for v in list(line.values())[1:]) for line in csv.DictReader(file)]
    response: requests.Response = server.get(KLINES, timeframe=240)
    candles = response.json(parse_float=Decimal)["data"]
    names = ("open", "high", "low", "close", "volume")
    assert [tuple(candle[name] for name in names) for candle in candles] == expected
    assert [candle["complete"] for candle in candles] == [False, True, False]
