"""/fapi/v1/ answers as the exchange does, field by field, and refuses as it does."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
import requests

from collectors.directory import sync_symbols
from dataprovider.clickhouse import ClickHouse
from dataprovider.decimals import to_count
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.fixtures_exchange import RunningExchange
from tests.nodes import only_at

MINUTE = 60_000


def rows_of(answer: list[dict[str, Any]], symbol: str) -> list[Row]:
    return [
        Row(t["a"], t["T"], to_count(t["p"]), to_count(t["q"]), t["f"], t["l"], int(t["m"]), symbol) for t in answer
    ]


def test_answers_equal_the_exchanges(
    transactional_db: None, server: Server, clickhouse: ClickHouse, start_exchange: Callable[..., RunningExchange]
) -> None:
    exchange = start_exchange(symbols=40, rate=5, paused=True, weight_limit=100_000, history_days=1)
    info = exchange.get("/fapi/v1/exchangeInfo")
    sync_symbols(info["symbols"])
    answer = server.get("/fapi/v1/exchangeInfo").json()
    # The shared web process of tests has no limit of its own, and so names none.
    assert [each["rateLimitType"] for each in answer["rateLimits"]] == ["REQUEST_WEIGHT"]
    listed = answer["symbols"]
    assert sorted(listed, key=str) == sorted(info["symbols"], key=str)
    quiet = [each["symbol"] for each in info["symbols"] if each["status"] == "TRADING"][-1]
    trades: list[dict[str, Any]] = exchange.get("/fapi/v1/aggTrades", symbol=quiet, fromId=0, limit=1000)
    while len(page := exchange.get("/fapi/v1/aggTrades", symbol=quiet, fromId=trades[-1]["a"], limit=1000)) > 1:
        trades += page[1:]
    store(clickhouse, rows_of(trades, quiet))
    assert any(two["T"] - one["T"] > 2 * MINUTE for one, two in pairwise(trades)), "no empty minute to compare"
    compared = 0
    for interval in ("1m", "5m", "15m", "1h", "4h", "1d", "3d", "1w", "1M"):
        for span in ({}, {"startTime": trades[0]["T"] + 60 * MINUTE}):
            asked = {"symbol": quiet, "interval": interval, "limit": 300, "endTime": trades[-1]["T"], **span}
            theirs, ours = exchange.get("/fapi/v1/klines", **asked), server.get("/fapi/v1/klines", **asked).json()
            assert ours == theirs, interval
            compared += len(theirs)
    assert compared > 900
    fields = ("a", "p", "q", "f", "l", "T", "m")
    for span in ({"fromId": trades[5]["a"]}, {"startTime": trades[3]["T"]}, {"endTime": trades[-9]["T"]}):
        ours = server.get("/fapi/v1/aggTrades", symbol=quiet, limit=7, **span).json()
        theirs = exchange.get("/fapi/v1/aggTrades", symbol=quiet, limit=7, **span)
        assert ours == [{name: trade[name] for name in fields} for trade in theirs]


def test_a_candle_that_runs_is_left_out_until_it_has_a_trade_when_the_one_before_had_some(
    transactional_db: None, server: Server, clickhouse: ClickHouse
) -> None:
    """A client takes the candle before the last one for final: its trades may still be on their way."""

    def opens() -> list[int]:
        rows = server.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1m", limit=2).json()
        return [(row[0] - NEW_YEAR) // MINUTE for row in rows]

    store(clickhouse, [Row(1, NEW_YEAR), Row(2, NEW_YEAR + MINUTE + 59_000)])
    store(clickhouse, [Row(1, NEW_YEAR + 2 * MINUTE + 1000, symbol="ETHUSDT")])
    assert opens() == [0, 1]
    store(clickhouse, [Row(3, NEW_YEAR + 2 * MINUTE + 1500)])
    assert opens() == [1, 2]
    # Once it is over, or after a quiet one, it is flat as the exchange has it.
    store(clickhouse, [Row(2, NEW_YEAR + 4 * MINUTE + 1000, symbol="ETHUSDT")])
    assert opens() == [3, 4]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("klines?symbol=NONE&interval=1m", 400, -1121),
        ("klines?symbol=%00&interval=1m", 400, -1121),
        ("klines?interval=1m", 400, -1102),
        ("klines?symbol=BTCUSDT", 400, -1102),
        ("klines?symbol=BTCUSDT&interval=2x", 400, -1120),
        ("klines?symbol=BTCUSDT&interval=1m&limit=1501", 400, -1130),
        ("klines?symbol=BTCUSDT&interval=1m&startTime=-1", 400, -1100),
        ("klines?symbol=BTCUSDT&interval=1m&startTime=2&endTime=1", 400, -1023),
        ("aggTrades?symbol=NONE", 400, -1121),
        ("aggTrades?symbol=BTCUSDT&fromId=1&startTime=1", 400, -1128),
        ("depth", 404, -5000),
    ],
)
def test_refusals_have_the_exchanges_codes(
    transactional_db: None, server: Server, clickhouse: ClickHouse, path: str, status: int, code: int
) -> None:
    response = server.get(f"/fapi/v1/{path}")
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert int(response.headers["X-MBX-USED-WEIGHT-1M"]) >= 0


def test_only_reading_is_there(server: Server) -> None:
    response = server.post("/fapi/v1/ping")
    assert (response.status_code, response.json()["code"]) == (404, -5000)


def test_a_store_that_is_away_is_503_with_retry_after(transactional_db: None, start_server: StartServer) -> None:
    server = start_server(**only_at(1))
    response = server.get("/fapi/v1/klines", symbol="BTCUSDT", interval="1m")
    assert (response.status_code, response.json()["code"]) == (503, -1001)
    assert int(response.headers["Retry-After"]) > 0


def test_weight_is_counted_by_client_for_all_processes(start_server: StartServer) -> None:
    proxied = {"TRUSTED_PROXIES": "127.0.0.1"}
    servers = [start_server(**proxied), start_server(**proxied)]

    def used(client: str) -> list[int]:
        answers = [
            requests.get(f"{server.url}/fapi/v1/klines", headers={"X-Forwarded-For": client}, timeout=10)
            for server in servers
        ]
        return [int(answer.headers["X-MBX-USED-WEIGHT-1M"]) for answer in answers]

    # Of a minute that has just turned the first count is behind the second: tried again once.
    first, second = used("203.0.113.1")
    if second <= first:
        first, second = used("203.0.113.2")
    assert (first, second) == (5, 10)
    assert used("203.0.113.3")[0] == 5


def test_without_valkey_weight_is_still_counted(start_server: StartServer) -> None:
    server = start_server(REDIS_URL="redis://127.0.0.1:1/0")
    assert [int(server.get("/fapi/v1/ping").headers["X-MBX-USED-WEIGHT-1M"]) > 0 for _ in range(2)] == [True] * 2
