"""Live candles end to end: exchange, workers, Valkey, hub, socket; equal to REST and to plain integers."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from dataprovider.clickhouse import ClickHouse
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.streaming.conftest import Client, Connect, StartServer
from tests.waiting import wait_until

TIMEFRAMES = (1, 7, 173)


def recomputed(clickhouse: ClickHouse, timeframe: int) -> dict[int, tuple[Decimal, ...]]:
    """Open, high, low, close, volume, quote volume, taker buy volume, trades and aggregates, out of stored trades."""
    rows = clickhouse.query("trades_from_id", symbol="BTCUSDT", from_id=0, limit=1_000_000)
    groups: dict[int, list[tuple[Any, ...]]] = {}
    for row in sorted(rows):
        groups.setdefault(row[5] // (timeframe * 60_000) * timeframe * 60_000, []).append(row)
    one = Decimal(10**8)
    return {
        at: (
            *(Decimal(p) / one for p in (g[0][1], max(r[1] for r in g), min(r[1] for r in g), g[-1][1])),
            sum(r[2] for r in g) / one,
            sum(r[1] * r[2] for r in g) / one / one,
            sum(r[2] for r in g if not r[6]) / one,
            Decimal(sum(r[4] - r[3] + 1 for r in g)),
            Decimal(len(g)),
        )
        for at, g in groups.items()
    }


def fields(candle: dict[str, Any]) -> tuple[Decimal, ...]:
    names = ["open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume", "trades_count"]
    names.append("aggregate_count")
    return tuple(Decimal(candle[name]) for name in names)


def test_live_candles_are_those_of_rest_and_close(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    start_server: StartServer,
    clickhouse: ClickHouse,
    connect: Connect,
) -> None:
    exchange = start_exchange(symbols=3, rate=150, paused=True)
    collectors = start_collectors(exchange, workers=1)
    server = start_server()
    collectors.wait_until_subscribed()
    # A minute that ends soon.
    exchange.advance((110_000 - exchange.state["now_ms"] % 60_000) % 60_000 / 1000)
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("stored") > 20, 30, "stored trades")
    client = connect(server)
    client.subscribe("BTCUSDT", *TIMEFRAMES)
    client.type("subscription_result")
    first = client.type("ohlcv_update")["data"]["candle_time"]
    client.until(
        lambda f: f.get("timeframe") == "1m" and f["data"]["candle_time"] >= first and f["data"]["closed"],
        "closed candle",
    )
    exchange.post("/simulator/stop")
    sent = exchange.sent["BTCUSDT"]["last_id"]

    def all_stored() -> bool:
        rows = clickhouse.query("trades_latest", symbol="BTCUSDT", end=4_102_444_800_000, limit=1)
        return bool(rows and rows[0][0] == sent)

    wait_until(all_stored, 20, "every trade to be stored")
    expected = {timeframe: recomputed(clickhouse, timeframe) for timeframe in TIMEFRAMES}

    def shown(client: Client, timeframe: int) -> dict[int, tuple[Decimal, ...]]:
        return {at: fields(candle) for at, candle in client.candles(timeframe).items()}

    client.send(action="ping", timestamp=1)
    client.until(
        lambda _: all(shown(client, each) == expected[each] for each in TIMEFRAMES), "candles equal to stored trades"
    )
    for timeframe in TIMEFRAMES:
        text = server.get("/api/v1/data/klines/BTCUSDT", timeframe=timeframe).text
        rest = {each["candle_time"]: fields(each) for each in json.loads(text, parse_float=Decimal)["data"]}
        assert rest == expected[timeframe]
        numbers = [f["sequence"] for f in client.frames if f.get("timeframe") == f"{timeframe}m"]
        assert numbers == list(range(len(numbers)))
