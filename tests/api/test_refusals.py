"""Wrong requests get a real status, the envelope, and a message that names what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import requests

from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer, refusal
from tests.clickhouse.trades import Row, store

DATA = "/api/v1/data"


@pytest.mark.parametrize("value", ["abc", "", "-1", "0", "1.5", "1e3", "1_0", " 1", "+1", "١", "9" * 30, "null", "NaN"])
@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("trades/BTCUSDT", "limit"),
        ("trades/BTCUSDT/latest", "limit"),
        ("klines/BTCUSDT", "limit"),
        ("ohlcv/B", "timeframe"),
    ],
)
def test_a_wrong_number_is_400_and_named(server: Server, path: str, parameter: str, value: str) -> None:
    status, error, message = server.refusal(f"{DATA}/{path}", **{parameter: value})
    assert (status, error) == (400, "INVALID_PARAMETER")
    assert message.startswith(f"{parameter}: ")
    assert len(message) < 150


@pytest.mark.parametrize("value", ["abc", "", "-1", "1.5", "1_0", "9" * 30, "4102444800001"])
@pytest.mark.parametrize("parameter", ["start_time", "end_time"])
@pytest.mark.parametrize("path", ["trades/BTCUSDT", "klines/BTCUSDT"])
def test_a_wrong_time_is_400_and_named(server: Server, path: str, parameter: str, value: str) -> None:
    status, _, message = server.refusal(f"{DATA}/{path}", **{parameter: value})
    assert status == 400
    assert message.startswith(f"{parameter}: ")


@pytest.mark.parametrize(
    ("path", "parameter", "most"),
    [
        ("trades/BTCUSDT", "limit", 10_000),
        ("trades/BTCUSDT/latest", "limit", 1000),
        ("klines/BTCUSDT", "limit", 30_000),
        ("klines/BTCUSDT", "timeframe", 43_200),
    ],
)
def test_bounds_are_inclusive(server: Server, clickhouse: ClickHouse, path: str, parameter: str, most: int) -> None:
    store(clickhouse, [Row(1)])
    for value in (1, most):
        assert server.data(f"{DATA}/{path}", **{parameter: value})
    assert server.refusal(f"{DATA}/{path}", **{parameter: most + 1})[0] == 400


def test_two_wrong_parameters_are_both_named(server: Server) -> None:
    _, _, message = server.refusal(f"{DATA}/klines/BTCUSDT", limit="x", timeframe=0)
    assert "limit: " in message
    assert "timeframe: " in message


@pytest.mark.parametrize("path", ["trades", "klines", "ohlcv"])
def test_a_start_after_the_end_is_400(server: Server, path: str) -> None:
    status, _, message = server.refusal(f"{DATA}/{path}/BTCUSDT", start_time=2, end_time=1)
    assert status == 400
    assert message.startswith("start_time: must not be after end_time")


def test_an_id_together_with_a_time_is_400(server: Server) -> None:
    status, _, message = server.refusal(f"{DATA}/trades/BTCUSDT", from_id=1, start_time=1)
    assert status == 400
    assert message.startswith("from_id: ")


@pytest.mark.parametrize("path", ["trades/{}", "trades/{}/latest", "klines/{}", "ohlcv/{}"])
@pytest.mark.parametrize(
    "symbol", ["NONE", "%00", "%FF%FE", "币安人生USDT", "X" * 300, "'; DROP TABLE trades_local", "%7Bx%7D"]
)
def test_an_unknown_symbol_is_404(server: Server, path: str, symbol: str) -> None:
    status, error, _ = server.refusal(f"{DATA}/{path.format(symbol)}")
    assert (status, error) == (404, "UNKNOWN_SYMBOL")


@pytest.mark.django_db(transaction=True)
def test_a_symbol_of_the_exchange_without_trades_is_an_empty_list(server: Server) -> None:
    listed = datetime(2024, 1, 1, tzinfo=UTC)
    Symbol.objects.create(name="NEWUSDT", onboard_date=listed, contract_type="PERPETUAL", status="TRADING")
    for path in ("trades/NEWUSDT", "trades/NEWUSDT/latest", "klines/NEWUSDT"):
        assert server.data(f"{DATA}/{path}") == []


def test_letters_of_a_symbol_may_be_small_and_others_percent_encoded(server: Server, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1, symbol="BTCUSDT"), Row(2, symbol="币安人生USDT")])
    assert server.data(f"{DATA}/trades/btcUsdt")[0]["aggregate_id"] == 1
    encoded = quote("币安人生usdt")
    assert server.data(f"{DATA}/trades/{encoded}")[0]["aggregate_id"] == 2
    assert len(server.data(f"{DATA}/klines/币安人生USDT")) == 1


@pytest.mark.parametrize(
    "path", ["", "/", "data", "data/trades", "data/trades/", "data/klines/A/B", "nothing", "data/trades/X/"]
)
def test_an_unknown_path_is_404(server: Server, path: str) -> None:
    status, error, message = server.refusal(f"/api/v1/{path}")
    assert (status, error) == (404, "NOT_FOUND")
    assert "/api/v1/docs" in message


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["data/trades/BTCUSDT", "data/klines/BTCUSDT", "monitoring/health"])
def test_another_method_is_405_and_says_which_is_possible(server: Server, path: str, method: str) -> None:
    response = requests.request(method, f"{server.url}/api/v1/{path}", data={"a": "b"}, timeout=10)
    assert refusal(response)[:2] == (405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == "GET, HEAD"


def test_a_host_name_that_is_not_ours_is_400(server: Server) -> None:
    url = f"{server.url}/api/v1/monitoring/health"
    assert refusal(requests.get(url, headers={"Host": "example.com"}, timeout=10))[0] == 400


def test_without_the_rest_api_there_is_nothing(start_server: StartServer) -> None:
    server = start_server(ENABLE_REST_API="false")
    assert server.refusal("/api/v1/monitoring/health")[:2] == (404, "NOT_FOUND")
    assert server.get("/admin/login/").status_code == 200


def test_pages_outside_the_api_keep_their_own_errors(server: Server) -> None:
    response = server.get("/nothing")
    assert response.status_code == 404
    assert "html" in response.headers["Content-Type"]


def test_the_documentation_lists_every_endpoint(server: Server) -> None:
    assert server.get("/api/v1/docs").status_code == 200
    assert set(server.get("/api/v1/openapi.json").json()["paths"]) == {
        "/api/v1/data/trades/{symbol}",
        "/api/v1/data/trades/{symbol}/latest",
        "/api/v1/data/klines/{symbol}",
        "/api/v1/data/ohlcv/{symbol}",
        "/api/v1/export/candles/{symbol}",
        "/api/v1/export/trades/{symbol}",
        "/api/v1/admin/coordinators/weight",
        "/api/v1/admin/synchronizer",
        "/api/v1/admin/system/sync",
        "/api/v1/admin/tickers/status",
        "/api/v1/admin/websocket/connections",
        "/api/v1/admin/websocket/status",
        "/api/v1/client.py",
        "/api/v1/integrity/coverage/{symbol}",
        "/api/v1/integrity/months/{symbol}",
        "/api/v1/integrity/summary",
        "/api/v1/monitoring/health",
        "/api/v1/monitoring/live",
        "/api/v1/monitoring/overview",
        "/api/v1/monitoring/ready",
        "/api/v1/monitoring/system-stats",
        "/api/v1/system/info",
        "/api/v1/tickers/",
        "/api/v1/tickers/running",
        "/api/v1/tickers/{symbol}",
        "/api/v1/tickers/{symbol}/mvs",
        "/api/v1/tickers/{symbol}/pause",
        "/api/v1/tickers/{symbol}/resume",
        "/api/v1/tickers/{symbol}/status",
    }
