"""A range that holds more than one answer may: the Link header leads through all of it, each trade and candle once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urljoin

import pytest
import requests

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, refusal
from tests.clickhouse.trades import NEW_YEAR, Row, store

DATA = "/api/v1/data"
MINUTE = 60_000


def walked(server: Server, path: str, relation: str = "next", **params: object) -> list[list[dict[str, Any]]]:
    """The answers' data, one after another, as a client finds them that knows nothing but the Link header."""
    pages: list[list[dict[str, Any]]] = []
    response = server.get(f"{DATA}/{path}", **params)
    while True:
        assert response.status_code == 200, response.text
        pages.append(response.json()["data"])
        if relation not in response.links:
            return pages
        assert len(pages) < 1000, "it never ends"
        response = requests.get(urljoin(response.url, response.links[relation]["url"]), timeout=30)


@pytest.fixture
def rows(clickhouse: ClickHouse) -> list[Row]:
    """Bursts of trades in one millisecond, ids that have several trades, and some whose times are not in id order."""
    rows = [Row(n // 3 if 30 <= n < 60 else n, NEW_YEAR + n // 7, first=n, last=n) for n in range(70)]
    rows += [Row(1000 + n, NEW_YEAR + 12 + (n % 5), first=500 + n, last=500 + n) for n in range(20)]
    # Those of one time and id lie in the order in which they came, not in that of their first ids.
    store(clickhouse, reversed(rows))
    return rows


@pytest.mark.parametrize("limit", [1, 2, 7, 90])
def test_every_trade_of_a_range_comes_exactly_once(server: Server, rows: list[Row], limit: int) -> None:
    start, end = NEW_YEAR + 3, NEW_YEAR + 13
    by_time = walked(server, "trades/BTCUSDT", start_time=start, end_time=end, limit=limit)
    assert [len(page) for page in by_time[:-1]] == [limit] * (len(by_time) - 1)
    found = [trade["first_trade_id"] for page in by_time for trade in page]
    assert sorted(found) == [row.first for row in rows if start <= row.time <= end]
    by_id = walked(server, "trades/BTCUSDT", from_id=9, limit=limit)
    found = [trade["first_trade_id"] for page in by_id for trade in page]
    assert found == [row.first for row in sorted(rows, key=lambda row: (row[0], row.first)) if row[0] >= 9]


def test_every_candle_of_a_range_comes_exactly_once_from_both_ends(server: Server, clickhouse: ClickHouse) -> None:
    minutes = [m for m in range(3000) if m % 11 and not 500 < m < 1700]
    store(clickhouse, [Row(n, NEW_YEAR + m * MINUTE) for n, m in enumerate(minutes)])
    whole = server.data(f"{DATA}/klines/BTCUSDT", timeframe=3, start_time=NEW_YEAR + 5, limit=30_000)
    assert len(whole) > 500
    forwards = walked(server, "klines/BTCUSDT", timeframe=3, start_time=NEW_YEAR + 5, limit=170)
    assert [candle for page in forwards for candle in page] == whole
    backwards = walked(server, "ohlcv/BTCUSDT", "prev", timeframe=3, limit=170)
    assert [candle for page in reversed(backwards) for candle in page][1:] == whole


def test_an_answer_that_holds_everything_leads_nowhere(server: Server, rows: list[Row]) -> None:
    for path, params in (
        ("trades/BTCUSDT", {"start_time": 0, "limit": 90}),
        ("trades/BTCUSDT", {"from_id": 1000, "limit": 20}),
        ("klines/BTCUSDT", {"start_time": 0, "limit": 1}),
        ("klines/BTCUSDT", {"limit": 1}),
    ):
        response = server.get(f"{DATA}/{path}", **params)
        assert len(response.json()["data"]) == params["limit"]
        assert "Link" not in response.headers


@pytest.mark.parametrize("cursor", ["", "x", "t1-1", "i1-0", "t9999999999999-1-0", "t1-1-0", "t1704067200005-1-999999"])
def test_a_cursor_that_is_none_of_the_range_is_400(server: Server, clickhouse: ClickHouse, cursor: str) -> None:
    status, error, message = server.refusal(f"{DATA}/trades/BTCUSDT", start_time=NEW_YEAR, cursor=cursor)
    assert (status, error) == (400, "INVALID_PARAMETER")
    assert message.startswith("cursor: ")


def test_a_parameter_that_is_unknown_or_comes_twice_is_named(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1)])
    for path, wrong in (
        ("data/klines/BTCUSDT?timeframes=5", "timeframes: is no parameter here (possible: timeframe, start_time, "),
        ("data/trades/BTCUSDT?limit=5&start=1", "start: "),
        ("data/trades/BTCUSDT/latest?from_id=1", "from_id: is no parameter here (possible: limit)"),
        ("data/klines/BTCUSDT?limit=1&limit=2", "limit: comes twice"),
        ("export/trades/BTCUSDT?limit=5", "limit: "),
        ("integrity/summary?x", "x: is no parameter here (none is possible)"),
        ("monitoring/health?verbose=1", "verbose: "),
    ):
        status, error, message = refusal(server.get(f"/api/v1/{path}"))
        assert (status, error) == (400, "INVALID_PARAMETER"), path
        assert message.startswith(wrong)
