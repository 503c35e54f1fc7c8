"""Every face says the same of a candle, to the last digit, as a recomputation from the raw trades."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.faces.plain import MINUTE, PlainCandle, made_up_days, minutes, plain_candles, real_morning
from tests.shared_data import needs_shared_data

TIMEFRAMES = (1, 7, 15, 173, 1440, 2850)
PLACES, PRODUCT_PLACES = 8, 16


def scaled(text: object, places: int = PLACES) -> int:
    """The count of 10^-places that a number's exact text stands for."""
    whole, _, fraction = f"{Decimal(str(text)):f}".partition(".")
    assert not fraction[places:].strip("0"), text
    return int(whole + fraction[:places].ljust(places, "0"))


def native(candle: dict[str, Any]) -> PlainCandle:
    """A candle of /api/v1, read exactly; the taker's buys in quote are not in it."""
    sold = scaled(candle["taker_sell_volume"])
    assert sold == scaled(candle["volume"]) - scaled(candle["taker_buy_volume"])
    return PlainCandle(
        *(scaled(candle[name]) for name in ("open", "high", "low", "close", "volume")),
        quote=scaled(candle["quote_volume"], PRODUCT_PLACES),
        taker_buy=scaled(candle["taker_buy_volume"]),
        trades=candle["trades_count"],
        aggregates=candle["aggregate_count"],
    )


def from_rest(server: Server, timeframe: int) -> dict[int, PlainCandle]:
    answer = server.get("/api/v1/data/klines/BTCUSDT", timeframe=timeframe, start_time=0, limit=30_000)
    return {each["candle_time"]: native(each) for each in answer.json(parse_float=Decimal)["data"]}


def from_export(server: Server, timeframe: int) -> dict[int, PlainCandle]:
    answer = server.get("/api/v1/export/candles/BTCUSDT", timeframe=timeframe, format="arrow")
    table = pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()
    times = table["candle_time"].cast(pa.int64()).to_pylist()
    return dict(zip(times, map(native, table.to_pylist()), strict=True))


def from_binance(server: Server, interval: str, start: int = NEW_YEAR) -> dict[int, PlainCandle]:
    """Page after page; a candle without trades must be flat at the close before it, and is left out."""
    rows: list[list[Any]] = []
    while page := server.get(
        "/fapi/v1/klines", symbol="BTCUSDT", interval=interval, startTime=start, limit=1500
    ).json():
        rows += page
        start = page[-1][6] + 1
    for before, row in pairwise(rows):
        assert row[0] == before[6] + 1
        assert row[8] or (row[1:5] == [before[4]] * 4 and not scaled(row[5]))
    return {
        row[0]: PlainCandle(
            *map(scaled, row[1:6]),
            quote=scaled(row[7], PRODUCT_PLACES),
            taker_buy=scaled(row[9]),
            taker_buy_quote=scaled(row[10], PRODUCT_PLACES),
            trades=row[8],
        )
        for row in rows
        if row[8]
    }


def from_udf(server: Server, resolution: str) -> dict[int, PlainCandle]:
    answer = server.get("/udf/history", symbol="BTCUSDT", resolution=resolution, **{"from": 0, "to": 4_000_000_000})
    bars = answer.json(parse_float=Decimal)
    assert bars["s"] == "ok"
    times = [seconds * 1000 for seconds in bars["t"]]
    columns = zip(*(map(scaled, bars[name]) for name in "ohlcv"), strict=True)
    return {time: PlainCandle(*values) for time, values in zip(times, columns, strict=True)}


def only(expected: dict[int, PlainCandle], *names: str) -> dict[int, PlainCandle]:
    """What is expected of an answer that has these fields besides prices and volume."""
    return {
        time: PlainCandle(c.open, c.high, c.low, c.close, c.volume, **{name: getattr(c, name) for name in names})
        for time, c in expected.items()
    }


@pytest.mark.parametrize("rows", [made_up_days, pytest.param(real_morning, marks=needs_shared_data)])
def test_every_face_agrees_with_the_raw_trades(
    transactional_db: None, server: Server, clickhouse: ClickHouse, rows: Callable[[], list[Row]]
) -> None:
    store(clickhouse, rows())
    for timeframe in TIMEFRAMES:
        expected = plain_candles(rows(), minutes(timeframe))
        assert from_rest(server, timeframe) == only(expected, "quote", "taker_buy", "trades", "aggregates")
        assert from_export(server, timeframe) == from_rest(server, timeframe)
        binance = only(expected, "quote", "taker_buy", "taker_buy_quote", "trades")
        start = min(expected)
        assert from_binance(server, f"{timeframe}m", start) == binance
        assert from_udf(server, str(timeframe)) == only(expected)
    assert len(expected) == {made_up_days: 2, real_morning: 1}[rows]


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
        "1m": ("1", minutes(1)),
        "5m": ("5", minutes(5)),
        "1h": ("60", minutes(60)),
        "4h": ("240", minutes(240)),
        "1d": ("D", minutes(1440)),
    }
    for interval, (resolution, opening) in calendar.items():
        expected = plain_candles(rows(), opening)
        assert from_binance(server, interval) == only(expected, "quote", "taker_buy", "taker_buy_quote", "trades")
        assert from_udf(server, resolution) == only(expected), resolution
