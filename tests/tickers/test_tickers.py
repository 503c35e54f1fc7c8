"""GET tickers/…: which contracts there are, how each stands, and what is still said while a service is away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.utils import timezone
from redis import Redis

from api.tickers.state import State, state_of
from collectors.models import StreamBoundary
from dataprovider.clickhouse import ClickHouse
from integrity.models import SymbolTrust
from tests.api.conftest import Server, StartServer, refusal
from tests.api.test_health import AWAY
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.integrity.rows import make_gap, make_job, make_symbol
from tests.nodes import only_at
from tests.security.test_guards import new_key
from tests.tickers.rows import carry, hold
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

TICKERS = "/api/v1/tickers"
DAY = 86_400_000
NO_POSTGRES = {"DATABASE_URL": AWAY["DATABASE_URL"]}
NO_VALKEY = {"REDIS_URL": AWAY["REDIS_URL"]}
NO_CLICKHOUSE = only_at(1)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, State.COLLECTING),
        ({"carried": None}, State.COLLECTING),
        ({"carried": False}, State.STARTING),
        ({"held": False, "carried": False}, State.WAITING),
        ({"enabled": False}, State.PAUSED),
        ({"status": "DELISTED", "enabled": False}, State.NOT_TRADING),
        ({"status": "PENDING_TRADING"}, State.COLLECTING),
        ({"only": ["ETHUSDT"]}, State.LEFT_OUT),
        ({"only": ["BTCUSDT"]}, State.COLLECTING),
    ],
)
def test_a_state_says_the_first_thing_that_stands_in_the_way(fields: dict[str, object], state: State) -> None:
    fine = {"enabled": True, "status": "TRADING", "held": True, "carried": True}
    assert state_of("BTCUSDT", **{**fine, **fields}) == state  # type: ignore[arg-type]


def test_all_contracts_are_listed_and_those_that_are_collected(
    server: Server, clickhouse: ClickHouse, redis: Redis
) -> None:
    make_symbol("BTCUSDT")
    make_symbol("ETHUSDT", enabled=False)
    make_symbol("OLDUSDT", status="DELISTED")
    hold("BTCUSDT", "ETHUSDT")
    carry(redis, "BTCUSDT", "ETHUSDT")
    store(clickhouse, [Row(7), Row(8), Row(1, symbol="GONEUSDT")])
    found = {each["symbol"]: each for each in server.data(f"{TICKERS}/")}
    assert {name: each["state"] for name, each in found.items()} == {
        "BTCUSDT": "collecting",
        "ETHUSDT": "paused",
        "OLDUSDT": "not_trading",
        "GONEUSDT": "not_trading",
    }
    btc = found["BTCUSDT"]
    assert (btc["rows"], btc["first_id"], btc["last_id"], btc["open_gaps"]) == (2, 7, 8, 0)
    assert found["ETHUSDT"]["rows"] == 0
    assert [each["symbol"] for each in server.data(f"{TICKERS}/running")] == ["BTCUSDT"]
    assert server.data(TICKERS) == server.data(f"{TICKERS}/")


def test_a_contracts_status_says_who_collects_it_and_what_is_missing(
    server: Server, clickhouse: ClickHouse, redis: Redis
) -> None:
    symbol = make_symbol()
    make_job(symbol, 100, 199)
    make_gap(symbol, 300, 300)
    now = timezone.now()
    StreamBoundary.objects.create(symbol=symbol, cause="reconnect", first_after=9, verdict="gap", at=now)
    spans = {"first_id": 1, "first_ms": 1, "last_id": 99, "last_ms": 2, "trust_id": 99, "trust_ms": 2}
    SymbolTrust.objects.create(symbol=symbol, rows=99, missing=101, checked_at=now, **spans)
    hold("BTCUSDT")
    carry(redis, "BTCUSDT")
    store(clickhouse, [Row(1, NEW_YEAR), Row(2, NEW_YEAR + DAY)])
    status = server.data(f"{TICKERS}/btcusdt/status")
    assert (status["symbol"], status["state"], status["reason"]) == ("BTCUSDT", "collecting", "A worker collects it.")
    assert (status["worker"]["owner"], status["worker"]["lag_ms"]) == ("host:1:1-a", 12.0)
    assert status["gaps"] == {"open": 2, "recovering": 0, "missing_ids": 101}
    assert status["jobs"] == {"waiting": 1, "running": 0}
    assert (status["trust"]["trust_id"], status["trust"]["missing"]) == (99, 101)
    assert status["last_boundary"]["verdict"] == "gap"
    assert status["data_status"] == {
        "historical_loading": False,
        "gap_recovery": False,
        "data_quality": "partial",
        "last_complete_timestamp": 2,
    }
    detail = server.data(f"{TICKERS}/BTCUSDT")
    assert (detail["first_time"], detail["last_time"], detail["unavailable"]) == (NEW_YEAR, NEW_YEAR + DAY, [])


def test_the_projections_that_serve_a_contract_are_counted(server: Server, clickhouse: ClickHouse) -> None:
    make_symbol()
    store(clickhouse, [Row(1, NEW_YEAR), Row(2, NEW_YEAR + 1), Row(3, NEW_YEAR + 60_000), Row(4, NEW_YEAR + DAY)])
    found = server.data(f"{TICKERS}/BTCUSDT/mvs")
    assert (found["first_minute"], found["last_minute"]) == (NEW_YEAR, NEW_YEAR + DAY)
    assert {each["name"]: each["groups"] for each in found["projections"]} == {
        "ohlcv_1m_projection": 3,
        "agg_id_projection": 2,
    }
    for each in found["projections"]:
        assert each["parts"] == each["parts_with_projection"] > 0
        assert each["bytes_on_disk"] > 0


@pytest.mark.parametrize("path", ["{}", "{}/status", "{}/mvs"])
@pytest.mark.parametrize("symbol", ["NONE", "%00", "X" * 300])
def test_an_unknown_contract_is_404(server: Server, clickhouse: ClickHouse, path: str, symbol: str) -> None:
    assert server.refusal(f"{TICKERS}/{path.format(symbol)}")[:2] == (404, "UNKNOWN_SYMBOL")


def test_without_postgres_what_is_stored_is_still_listed(start_server: StartServer, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(7)])
    server = start_server(**NO_POSTGRES)
    answer = server.get(f"{TICKERS}/").json()
    assert [(each["symbol"], each["state"], each["rows"]) for each in answer["data"]] == [("BTCUSDT", "unknown", 1)]
    assert "no answer from postgres" in answer["message"]
    status = server.data(f"{TICKERS}/BTCUSDT/status")
    assert (status["rows"], status["gaps"], status["unavailable"]) == (1, None, ["postgres"])
    assert status["data_status"]["data_quality"] == "unknown"
    response = server.get(f"{TICKERS}/running")
    assert refusal(response)[:2] == (503, "DATABASE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0
    assert server.refusal(f"{TICKERS}/NONE")[:2] == (503, "DATABASE_UNAVAILABLE")


def test_without_clickhouse_or_valkey_the_rest_is_still_said(start_server: StartServer) -> None:
    make_symbol()
    hold("BTCUSDT")
    server = start_server(**NO_CLICKHOUSE, **NO_VALKEY)
    status = server.data(f"{TICKERS}/BTCUSDT/status")
    assert (status["state"], status["rows"]) == ("collecting", None)
    assert status["worker"] == {
        "owner": "host:1:1-a",
        "number": 0,
        "pid": 7,
        "trades_per_s": None,
        "lag_ms": None,
        "said_at": None,
    }
    assert sorted(status["unavailable"]) == ["clickhouse", "redis"]
    assert len(server.data(f"{TICKERS}/running")) == 1
    assert server.refusal(f"{TICKERS}/BTCUSDT/mvs")[:2] == (503, "STORE_UNAVAILABLE")


def test_with_nobody_to_ask_it_is_503(start_server: StartServer) -> None:
    server = start_server(**AWAY)
    for path in ("/", "/running", "/BTCUSDT", "/BTCUSDT/status", "/BTCUSDT/mvs"):
        assert server.refusal(f"{TICKERS}{path}")[0] == 503


def test_pausing_and_resuming_take_effect_while_running(
    server: Server,
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
) -> None:
    exchange = start_exchange(symbols=3, rate=50, history_days=0)
    collectors = start_collectors(exchange, workers=1)
    collectors.wait_until_subscribed()
    key = {"X-API-Key": new_key("control")}

    def running() -> list[str]:
        return [each["symbol"] for each in server.data(f"{TICKERS}/running")]

    everything = running()
    name = everything[0]
    for word, subscribed in (("pause", len(everything) - 1), ("resume", len(everything))):
        first = server.post(f"{TICKERS}/{name}/{word}", **key).json()
        assert first["data"] == {"symbol": name, "enabled": word == "resume", "changed": True}
        wait_until(lambda: collectors.total("subscribed") == subscribed, 15, f"{subscribed} subscriptions")  # noqa: B023
        again = server.post(f"{TICKERS}/{name}/{word}", **key).json()
        assert (again["data"]["changed"], "already" in again["message"]) == (False, True)
        assert (name in running()) == (word == "resume")
