"""Binance's own SDK for Python cannot tell the simulator from the exchange."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from binance_common.configuration import ConfigurationRestAPI, ConfigurationWebSocketStreams
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures

from tests.fixtures_exchange import RunningExchange

Start = Callable[..., RunningExchange]


def rest_of(exchange: RunningExchange) -> Any:
    configuration = ConfigurationRestAPI(base_path=exchange.url, timeout=10_000, retries=0)
    return DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api


def test_the_sdk_reads_exchange_info(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=40)
    found = rest_of(exchange).exchange_information().data()
    symbols = {item.symbol: item for item in found.symbols}
    assert len(symbols) == 40
    assert {"BTCUSDT", "币安人生USDT", "TSLAUSDT"} <= set(symbols)
    assert {item.contract_type for item in symbols.values()} == {
        "PERPETUAL",
        "TRADIFI_PERPETUAL",
        "CURRENT_QUARTER",
        "NEXT_QUARTER",
    }
    assert {item.status for item in symbols.values()} == {"TRADING", "PENDING_TRADING", "SETTLING"}
    assert sum("_" in symbol for symbol in symbols) == 4


def test_the_sdk_pages_agg_trades_by_id_without_a_hole(start_exchange: Start) -> None:
    rest = rest_of(start_exchange(symbols=3, rate=200))
    newest = rest.compressed_aggregate_trades_list(symbol="ETHUSDT").data()
    assert len(newest) == 500
    begin = newest[0].a - 2500
    ids: list[int] = []
    while len(ids) < 2500:
        page = rest.compressed_aggregate_trades_list(symbol="ETHUSDT", from_id=begin + len(ids), limit=1000).data()
        ids += [row.a for row in page]
    assert ids == list(range(begin, begin + len(ids)))


def test_the_sdk_reads_klines_and_says_what_is_wrong(start_exchange: Start) -> None:
    rest = rest_of(start_exchange(symbols=3, rate=100))
    rows = rest.kline_candlestick_data(symbol="BTCUSDT", interval="1m", limit=5).data()
    assert [len(row) for row in rows] == [12] * 5
    with pytest.raises(BadRequestError, match="Invalid symbol"):
        rest.compressed_aggregate_trades_list(symbol="NOSUCHUSDT")
    with pytest.raises(BadRequestError, match="recent 2 days only"):
        rest.compressed_aggregate_trades_list(symbol="BTCUSDT", from_id=1)


def test_the_sdk_receives_the_trade_stream(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=24, rate=300)
    trades = asyncio.run(receive(exchange, "btcusdt", wanted=50))
    assert [trade.a for trade in trades] == list(range(trades[0].a, trades[0].a + len(trades)))
    by_rest = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=trades[0].a, limit=50)
    for trade, row in zip(trades, by_rest, strict=False):
        streamed = {"a": trade.a, "p": trade.p, "q": trade.q, "nq": trade.nq}
        streamed |= {"f": trade.f, "l": trade.l, "T": trade.T, "m": trade.m}
        assert streamed == row
        assert (trade.e, trade.s, trade.st) == ("aggTrade", "BTCUSDT", 1)
        assert 2 <= trade.E - trade.T <= 160


async def receive(exchange: RunningExchange, symbol: str, *, wanted: int) -> list[Any]:
    """The first trades the SDK hands to a callback."""
    configuration = ConfigurationWebSocketStreams(stream_url=f"{exchange.ws_url}/stream")
    streams = DerivativesTradingUsdsFutures(config_ws_streams=configuration).websocket_streams
    trades: list[Any] = []
    enough = asyncio.Event()

    def keep(trade: Any) -> None:
        trades.append(trade)
        if len(trades) == wanted:
            enough.set()

    connection = await streams.create_connection()  # type: ignore[no-untyped-call]
    try:
        stream = await connection.aggregate_trade_streams(symbol=symbol)
        stream.on("message", keep)
        await asyncio.wait_for(enough.wait(), 30)
    finally:
        await connection.close_connection(close_session=True)
    return trades[:wanted]
