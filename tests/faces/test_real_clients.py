"""Clients that people already have, taken from PyPI as they are, work when pointed at this server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ccxt
import pytest
from binance.error import ClientError
from binance.um_futures import UMFutures
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError
from binance_sdk_derivatives_trading_usds_futures import DerivativesTradingUsdsFutures

from collectors.directory import sync_symbols
from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server
from tests.clickhouse.trades import Row, store
from tests.faces.plain import MINUTE, made_up_days, minutes, plain_candles
from tests.fixtures_exchange import RunningExchange

SYMBOL = "BTCUSDT"


@pytest.fixture
def rows(transactional_db: None, clickhouse: ClickHouse, start_exchange: Callable[..., RunningExchange]) -> list[Row]:
    """A made-up day of one of the contracts that an exchange lists."""
    sync_symbols(start_exchange(symbols=40, paused=True).get("/fapi/v1/exchangeInfo")["symbols"])
    rows = made_up_days(1)
    store(clickhouse, rows)
    return rows


def expected(rows: list[Row], timeframe: int, first: int, count: int) -> list[list[float]]:
    """What a client that reads floats has of `count` candles from the one at `first` (ms) on."""
    candles = plain_candles(rows, minutes(timeframe))
    found, close = [], 0
    for open_time in range(min(candles), first + count * timeframe * MINUTE, timeframe * MINUTE):
        if open_time in candles:
            each = candles[open_time]
            close = each.close
            values = [each.open, each.high, each.low, each.close, each.volume]
        else:
            values = [close, close, close, close, 0]
        if open_time >= first:
            found.append([open_time, *(value / 10**8 for value in values)])
    return found


def opening(rows: list[Row], timeframe: int) -> int:
    """When the first candle of that opens which lies wholly in the trades."""
    return min(plain_candles(rows, minutes(timeframe))) + timeframe * MINUTE


@pytest.fixture
def exchange(server: Server) -> Iterator[Any]:
    """ccxt's Binance USD-M, its addresses replaced."""
    client = ccxt.binanceusdm({"enableRateLimit": False})
    for name, path in (("fapiPublic", "v1"), ("fapiPublicV2", "v2"), ("fapiPublicV3", "v3")):
        client.urls["api"][name] = f"{server.url}/fapi/{path}"
    yield client
    client.session.close()


def test_ccxt_reads_contracts_candles_and_trades(server: Server, rows: list[Row], exchange: Any) -> None:
    markets = exchange.load_markets()
    assert markets["BTC/USDT:USDT"]["id"] == SYMBOL
    assert len(markets) > 20
    for timeframe, size in (("1m", 1), ("5m", 5), ("1h", 60), ("173m", 173)):
        first, count = opening(rows, size), min(100, 1440 // size - 2)
        candles = exchange.fetch_ohlcv("BTC/USDT:USDT", timeframe, since=first, limit=count)
        assert candles == expected(rows, size, first, count)
    found = exchange.fetch_trades("BTC/USDT:USDT", since=rows[100].time, limit=50)
    inside = [row for row in rows if row.time >= rows[100].time][:50]
    assert [(int(t["id"]), t["timestamp"], t["price"], t["amount"], t["side"]) for t in found] == [
        (r[0], r.time, r.price / 10**8, r.quantity / 10**8, "sell" if r.maker else "buy") for r in inside
    ]
    with pytest.raises(ccxt.BadSymbol):
        exchange.fapiPublicGetKlines({"symbol": "NONE", "interval": "1m"})


def test_the_futures_connector_reads_what_it_reads_from_binance(server: Server, rows: list[Row]) -> None:
    client = UMFutures(base_url=server.url)
    assert client.ping() == {}
    assert client.time()["serverTime"] > 0
    assert SYMBOL in {each["symbol"] for each in client.exchange_info()["symbols"]}
    for interval, size in (("1m", 1), ("15m", 15), ("173m", 173)):
        first = opening(rows, size)
        found = client.klines(SYMBOL, interval, startTime=first, limit=7)
        assert [[row[0], *map(float, row[1:6])] for row in found] == expected(rows, size, first, 7)
    trades = client.agg_trades(SYMBOL, fromId=rows[7][0], limit=1000)
    assert [(t["a"], t["T"], t["m"]) for t in trades] == [(r[0], r.time, bool(r.maker)) for r in rows[7:1007]]
    with pytest.raises(ClientError) as caught:
        client.klines("NONE", "1m")
    assert (caught.value.status_code, caught.value.error_code) == (400, -1121)
    client.session.close()


def test_the_official_sdk_reads_what_it_reads_from_binance(server: Server, rows: list[Row]) -> None:
    configuration = ConfigurationRestAPI(base_path=server.url, timeout=10_000, retries=0)
    client: Any = DerivativesTradingUsdsFutures(config_rest_api=configuration).rest_api
    assert client.test_connectivity().status == 200
    assert client.check_server_time().data().server_time > 0
    assert SYMBOL in {each.symbol for each in client.exchange_information().data().symbols}
    for interval, size in (("1m", 1), ("1h", 60), ("173m", 173)):
        first = opening(rows, size)
        found = client.kline_candlestick_data(symbol=SYMBOL, interval=interval, start_time=first, limit=7).data()
        assert [[row[0], *map(float, row[1:6])] for row in found] == expected(rows, size, first, 7)
    trades = client.compressed_aggregate_trades_list(symbol=SYMBOL, start_time=rows[7].time, limit=10).data()
    assert [t.a for t in trades] == [r[0] for r in rows if r.time >= rows[7].time][:10]
    with pytest.raises(BadRequestError, match="Invalid symbol"):
        client.kline_candlestick_data(symbol="NONE", interval="1m")
