"""Every face says the same of a candle, to the last digit, as a recomputation from the raw trades."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.faces.asking import TIMEFRAMES, assert_every_face_agrees, from_binance, from_udf, only
from tests.faces.plain import MINUTE, made_up_days, minutes, plain_candles, real_morning
from tests.shared_data import needs_shared_data


@pytest.mark.parametrize("rows", [made_up_days, pytest.param(real_morning, marks=needs_shared_data)])
def test_every_face_agrees_with_the_raw_trades(
    transactional_db: None, server: Server, clickhouse: ClickHouse, rows: Callable[[], list[Row]]
) -> None:
    store(clickhouse, rows())
    for timeframe in TIMEFRAMES:
        assert_every_face_agrees(server, rows(), timeframe)


@pytest.mark.parametrize(
    "rows", [lambda: made_up_days(45, seed=3), pytest.param(real_morning, marks=needs_shared_data)]
)
def test_named_intervals_are_those_of_the_calendar(
    transactional_db: None, server: Server, clickhouse: ClickHouse, rows: Callable[[], list[Row]]
) -> None:
    # 2024-01-01 was a Monday, and the first of a month.
    store(clickhouse, rows())
    day = 1440 * MINUTE
    months = [NEW_YEAR - 31 * day, NEW_YEAR, NEW_YEAR + 31 * day, NEW_YEAR + 60 * day]
    calendar: dict[str, tuple[str, Callable[[int], int]]] = {
        "1w": ("1W", lambda ms: NEW_YEAR + (ms - NEW_YEAR) // (7 * day) * 7 * day),
        "1M": ("M", lambda ms: max(month for month in months if month <= ms)),
        "5m": ("5", minutes(5)),
        "1h": ("60", minutes(60)),
        "4h": ("240", minutes(240)),
        "1d": ("D", minutes(1440)),
    }
    for interval, (resolution, opening) in calendar.items():
        expected = plain_candles(rows(), opening)
        assert from_binance(server, interval) == only(expected, "quote", "taker_buy", "taker_buy_quote", "trades")
        assert from_udf(server, resolution) == only(expected), resolution
