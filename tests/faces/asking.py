"""One question to each face, and its answer as plain integers."""

from __future__ import annotations

import io
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.ipc

from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row
from tests.faces.plain import PlainCandle, minutes, plain_candles

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


def assert_every_face_agrees(server: Server, rows: list[Row], timeframe: int) -> None:
    """REST, export, the Binance face and UDF say of BTCUSDT what these raw trades add up to."""
    expected = plain_candles(rows, minutes(timeframe))
    rest = from_rest(server, timeframe)
    assert rest == as_native(expected)
    assert from_export(server, timeframe) == rest
    binance = only(expected, "quote", "taker_buy", "taker_buy_quote", "trades")
    assert from_binance(server, f"{timeframe}m", min(expected)) == binance
    assert from_udf(server, str(timeframe)) == only(expected)


def as_native(expected: dict[int, PlainCandle]) -> dict[int, PlainCandle]:
    return only(expected, "quote", "taker_buy", "trades", "aggregates")
