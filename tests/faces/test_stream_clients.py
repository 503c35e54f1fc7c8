"""Three clients made for Binance's streams, as their makers publish them, receive live data from this server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import partial
from typing import Any

import ccxt.pro
from binance.websocket.um_futures.websocket_client import UMFuturesWebsocketClient
from binance_common.configuration import ConfigurationWebSocketStreams
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import StartServer
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until


def test_clients_receive_klines_and_trades(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    start_server: StartServer,
    clickhouse: ClickHouse,
) -> None:
    exchange = start_exchange(symbols=3, rate=300)
    collectors = start_collectors(exchange, workers=1)
    server = start_server()
    wait_until(lambda: collectors.total("stored") > 100, 40, "stored trades")
    address = f"ws{server.url.removeprefix('http')}"

    klines, trades = asyncio.run(with_the_official_sdk(address))
    assert [each.a for each in trades] == list(range(trades[0].a, trades[0].a + len(trades)))
    by_rest = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=trades[0].a, limit=len(trades))
    for trade, row in zip(trades, by_rest, strict=True):
        assert {name: getattr(trade, name) for name in "apqflTm"} == {name: row[name] for name in "apqflTm"}
    assert (klines[0].s, klines[0].k.i, klines[0].k.x) == ("BTCUSDT", "1m", False)

    messages = with_the_connector(address)
    assert messages[0]["k"]["i"] == "173m"

    candles = asyncio.run(with_ccxt(server.url, address))
    opened, *prices, volume = candles[-1]
    assert opened % 60_000 == 0
    assert min(prices) > 0
    assert volume > 0


async def with_the_official_sdk(address: str) -> tuple[list[Any], list[Any]]:
    configuration = ConfigurationWebSocketStreams(stream_url=f"{address}/stream")
    streams = DerivativesTradingUsdsFutures(config_ws_streams=configuration).websocket_streams
    klines: list[Any] = []
    trades: list[Any] = []
    enough = asyncio.Event()

    def keep(kept: list[Any], each: Any) -> None:
        kept.append(each)
        if len(trades) >= 20 and klines:
            enough.set()

    connection = await streams.create_connection()  # type: ignore[no-untyped-call]
    try:
        stream = await connection.kline_candlestick_streams(symbol="btcusdt", interval="1m")
        stream.on("message", partial(keep, klines))
        stream = await connection.aggregate_trade_streams(symbol="btcusdt")
        stream.on("message", partial(keep, trades))
        await asyncio.wait_for(enough.wait(), 30)
    finally:
        await connection.close_connection(close_session=True)
    return klines, trades[:20]


def with_the_connector(address: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    client = UMFuturesWebsocketClient(
        stream_url=address,
        on_message=lambda _, text: messages.append(json.loads(text)),
        on_close=lambda _: None,
        on_error=lambda _, error: None,
    )
    client.kline(symbol="btcusdt", interval="173m")
    wait_until(lambda: any("k" in each for each in messages), 20, "a kline")
    client.stop()
    # It leaves its socket open.
    client.socket_manager.ws.shutdown()
    return [each for each in messages if "k" in each]


async def with_ccxt(url: str, address: str) -> list[list[float]]:
    exchange = ccxt.pro.binanceusdm({"options": {"fetchMarkets": {"types": ["linear"]}}})
    exchange.urls["api"]["fapiPublic"] = f"{url}/fapi/v1"
    exchange.urls["api"]["ws"]["linear"] = f"{address}/ws"
    try:
        async with asyncio.timeout(30):
            symbol = next(each for each, market in (await exchange.load_markets()).items() if market["id"] == "BTCUSDT")
            found: list[list[float]] = await exchange.watch_ohlcv(symbol, "1m")
    finally:
        await exchange.close()
    return found
