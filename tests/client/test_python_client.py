"""The file that users copy works by itself, against a real server."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import requests

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer
from tests.clickhouse.proxy import proxy_to
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.export.days import many
from tests.nodes import address_of, only_at
from tests.streaming.market import Market, row
from tests.waiting import wait_until

MINUTE = 60_000
DAY = 1440 * MINUTE


@pytest.fixture
def copied(server: Server, tmp_path: Path) -> Iterator[Any]:
    """The module as a user has it: fetched from the server, in a folder of its own."""
    path = tmp_path / "dataprovider_client.py"
    path.write_bytes(requests.get(f"{server.url}/api/v1/client.py", timeout=10).content)
    spec = importlib.util.spec_from_file_location("copied_client", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def data(copied: Any, server: Server) -> Any:
    return copied.DataProvider(server.url)


@pytest.fixture
def trades(clickhouse: ClickHouse) -> list[Row]:
    """25,000 trades of three days, prices with digits that no float holds."""
    rows = [Row(n, NEW_YEAR + n * 10_000, 4_231_390_000_001 + n, 10**15 + n, n, n) for n in range(25_000)]
    store(clickhouse, rows)
    return rows


def test_a_range_of_trades_and_candles_comes_whole(data: Any, trades: list[Row]) -> None:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), "2024-01-03"
    inside = [row for row in trades if row.time < NEW_YEAR + 2 * DAY]
    found = data.trades("BTCUSDT", start, end, exact=True)
    assert [(t["aggregate_id"], t["price"]) for t in found] == [(r[0], Decimal(r.price) / 10**8) for r in inside]
    assert [t["aggregate_id"] for t in data.trades("BTCUSDT", from_id=24_998)] == [24_998, 24_999]
    assert len(data.trades("BTCUSDT", start, limit=10_001)) == 10_001
    assert [c["candle_time"] for c in data.candles("BTCUSDT", 1440, start, end)] == [NEW_YEAR, NEW_YEAR + DAY]
    assert len(data.candles("BTCUSDT", 1, limit=4000)) == 4000


def test_frames_have_times_and_floats_and_tables_every_digit(data: Any, trades: list[Row]) -> None:
    frame = data.candles_frame("BTCUSDT", 173, "2024-01-01", "2024-01-03")
    table = data.candles_table("BTCUSDT", 173, "2024-01-01", "2024-01-03")
    assert str(frame.index[0]) == "2024-01-01 01:57:00+00:00"
    assert str(frame["open"].dtype) == "float64"
    assert frame["open"].tolist() == [float(price) for price in table["open"].to_pylist()]
    first = next(row for row in trades if row.time >= frame.index[0].timestamp() * 1000)
    assert table["open"][0].as_py() == Decimal(first.price) / 10**8
    assert data.trades_frame("BTCUSDT", limit=3)["aggregate_id"].tolist() == [24_997, 24_998, 24_999]
    assert data.trades_table("BTCUSDT").num_rows == 25_000
    empty = data.candles_frame("BTCUSDT", 1, end="1990-01-01")
    assert empty.empty
    assert (list(empty.columns), empty.index.name) == (list(frame.columns), "candle_time")
    some, none = data.trades_frame("BTCUSDT", limit=1), data.trades_frame("BTCUSDT", "1990-01-01", "1990-01-02")
    assert list(none.columns) == list(some.columns)


def test_a_download_appears_when_it_is_whole(
    copied: Any, start_server: StartServer, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    many(clickhouse, 600_000)
    with proxy_to(address_of(clickhouse).host, address_of(clickhouse).port) as proxy:
        server = start_server(**only_at(proxy.port))
        data = copied.DataProvider(server.url)
        whole = data.download("candles", "BTCUSDT", tmp_path / "candles.parquet", timeframe=173)
        assert pq.ParquetFile(whole).metadata.num_rows == 3
        path, part = tmp_path / "trades.csv", tmp_path / "trades.csv.part"
        with ThreadPoolExecutor(1) as threads:
            download = threads.submit(data.download, "trades", "BTCUSDT", path)
            wait_until(lambda: part.exists() and part.stat().st_size, 20, "the download to begin", every=0.001)
            proxy.go_away()
            with pytest.raises(requests.exceptions.RequestException):
                download.result(30)
        assert not path.exists()
        proxy.come_back()


def test_a_refusal_is_an_error_with_the_servers_word(copied: Any, data: Any, clickhouse: ClickHouse) -> None:
    for method, asked, code in (
        (data.candles, ("NONE",), "UNKNOWN_SYMBOL"),
        (data.candles, ("NONE", 0), "INVALID_PARAMETER"),
        (data.download, ("trades", "BTCUSDT", "trades.xlsx"), "INVALID_PARAMETER"),
    ):
        with pytest.raises(copied.DataProviderError) as caught:
            method(*asked)
        assert caught.value.code == code


def test_live_candles_go_on_after_a_lost_connection(
    transactional_db: None, copied: Any, start_server: StartServer, clickhouse: ClickHouse, market: Market
) -> None:
    market.trade(row(1, 0))
    server = start_server()
    with proxy_to("127.0.0.1", int(server.url.rsplit(":", 1)[1])) as proxy:
        live = copied.DataProvider(f"http://127.0.0.1:{proxy.port}").live(["BTCUSDT"], [1, 7])
        assert {(candle["timeframe"], candle["trades_count"]) for candle in islice(live, 2)} == {("1m", 1), ("7m", 1)}
        market.trade(row(2, 10_000, price=300))
        assert next(candle for candle in live if candle["trades_count"] == 2)["high"] == 300
        proxy.go_away()
        market.trade(row(3, MINUTE))
        proxy.come_back()
        # The candle that ended meanwhile, and the next one.
        missed = next(candle for candle in live if candle["timeframe"] == "1m" and candle["candle_time"] > NEW_YEAR)
        assert (missed["trades_count"], missed["data_status"]["data_quality"]) == (1, "complete")
        live.close()
        refused = copied.DataProvider(f"http://127.0.0.1:{proxy.port}").live(["NONE"], [1])
        with pytest.raises(copied.DataProviderError, match="NONE"):
            next(refused)
