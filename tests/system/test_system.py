"""GET monitoring/system-stats, system/info and admin/…: figures that are true, whatever is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from redis import Redis

from api.rest import api
from collectors.binance.weight import Priority, WeightBudget
from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.heartbeat import HostStatus, write_host
from dataprovider.version import VERSION
from tests.api.conftest import ROOT, Server, StartServer, refusal
from tests.api.test_health import AWAY
from tests.clickhouse.trades import Row, store
from tests.fixtures_exchange import RunningExchange
from tests.integrity.rows import make_gap, make_symbol
from tests.security.test_guards import new_key
from tests.tickers.rows import carry, hold

pytestmark = pytest.mark.django_db(transaction=True)

API = "/api/v1"
SYNC = f"{API}/admin/system/sync"
#: What answers although every service is away.
SAYS_SO = ("monitoring/system-stats", "system/info", "admin/coordinators/weight", "admin/synchronizer")


def test_figures_are_those_of_the_services(server: Server, clickhouse: ClickHouse, redis: Redis) -> None:
    make_gap(make_symbol(), 1, 2)
    carry(redis, "BTCUSDT")
    store(clickhouse, [Row(1), Row(2)])
    stats = server.data(f"{API}/monitoring/system-stats")
    assert (stats["clickhouse"]["rows"], stats["postgres"]["open_gaps"], stats["trades_per_s"]) == (2, 1, 5.5)
    assert [each["owner"] for each in stats["workers"]] == ["host:1:1-a"]
    assert stats["storage_delay_ms"] == stats["workers"][0]["storage_delay_ms"] == 640
    assert stats["clickhouse"]["bytes_on_disk"] > 0
    assert stats["redis"]["used_memory"] > 0
    machine = stats["machine"]
    assert 0 < machine["memory_available"] < machine["memory_total"]
    assert 0 < machine["disk_free"] < machine["disk_total"]
    assert stats["process"]["memory"] > 10_000_000
    assert stats["unavailable"] == []


def test_what_runs_here_is_said(server: Server) -> None:
    info = server.data(f"{API}/system/info")
    assert info["version"] == VERSION
    assert f'version = "{VERSION}"' in (ROOT / "pyproject.toml").read_text()
    assert info["exchange"] == urlsplit(settings.CONFIG.binance_rest_url).hostname
    # The tests' server counts nothing.
    assert info["limits"]["requests_per_minute"] is None
    assert all(info["versions"].values())


def test_without_any_service_they_say_so(start_server: StartServer) -> None:
    server = start_server(**AWAY)
    for path in SAYS_SO:
        before = time.monotonic()
        assert server.data(f"{API}/{path}")["unavailable"], path
        assert time.monotonic() - before < 6
    stats = server.data(f"{API}/monitoring/system-stats")
    assert (stats["workers"], stats["clickhouse"], stats["postgres"], stats["redis"]) == (None,) * 4
    assert server.data(f"{API}/admin/coordinators/weight")["state"] == "unavailable"
    assert server.data(f"{API}/admin/synchronizer")["state"] == "unknown"
    assert server.refusal(f"{API}/admin/tickers/status")[0] == 503


def test_all_contracts_are_counted_by_state(server: Server, clickhouse: ClickHouse, redis: Redis) -> None:
    make_gap(make_symbol("BTCUSDT"), 5, 9)
    make_symbol("ETHUSDT", enabled=False)
    hold("BTCUSDT")
    carry(redis, "BTCUSDT")
    store(clickhouse, [Row(1)])
    found = server.data(f"{API}/admin/tickers/status")
    assert (found["total"], found["rows"], found["open_gaps"], found["missing_ids"]) == (2, 1, 1, 5)
    assert (found["by_state"]["collecting"], found["by_state"]["paused"]) == (1, 1)
    assert found["tickers"][0]["worker"] == "host:1:1-a/0"


def test_the_exchanges_weight_and_its_orders_are_shown(server: Server, redis: Redis) -> None:
    budget = WeightBudget(redis, "default")
    assert budget.try_acquire(40, Priority.LIVE) == 0
    weight = server.data(f"{API}/admin/coordinators/weight")
    assert (weight["state"], weight["used"], weight["limit"], weight["remaining"]) == ("free", 40, 2400, 2360)
    budget.pause(30)
    paused = server.data(f"{API}/admin/coordinators/weight")
    assert (paused["state"], 0 < paused["wait_ms"] <= 30_000) == ("paused", True)
    until = int(time.time() * 1000) + 600_000
    budget.ban(until)
    banned = server.data(f"{API}/admin/coordinators/weight")
    assert (banned["state"], banned["banned_until"]) == ("banned", until)


def test_the_synchronizer_says_who_reads_the_list_and_what_is_in_it(server: Server, redis: Redis) -> None:
    make_symbol("BTCUSDT")
    make_symbol("ETHUSDT", enabled=False)
    make_symbol("OLDUSDT", status="DELISTED")
    assert server.data(f"{API}/admin/synchronizer")["state"] == "stopped"
    host = {"owner": "host:1:1-a", "pid": 1, "workers": 2, "shards": 16, "symbols": 1, "open_gaps": 0}
    write_host(redis, HostStatus(**host, postgres_away=False, updated_ms=1, synced=True))  # type: ignore[arg-type]
    found = server.data(f"{API}/admin/synchronizer")
    assert (found["state"], found["hosts"][0]["owner"]) == ("running", "host:1:1-a")
    assert found["symbols"] == {"listed": 2, "trading": 2, "wanted": 1, "paused": 1, "delisted": 1}
    write_host(redis, HostStatus(**host, postgres_away=False, updated_ms=1, problem="No answer."))  # type: ignore[arg-type]
    assert server.data(f"{API}/admin/synchronizer")["state"] == "trouble"


def test_a_synchronisation_reads_the_list_now(
    start_server: StartServer, start_exchange: Callable[..., RunningExchange], redis: Redis
) -> None:
    exchange = start_exchange(symbols=3, paused=True, history_days=0)
    server = start_server(BINANCE_REST_URL=exchange.url)
    key = {"X-API-Key": new_key("control")}
    first = server.post(SYNC, **key)
    assert first.status_code == 200, first.text
    listed = len(exchange.get("/fapi/v1/exchangeInfo")["symbols"])
    assert (first.json()["data"]["listed"], first.json()["data"]["added"]) == (listed, listed)
    assert Symbol.objects.count() == listed
    assert server.post(SYNC, **key).json()["data"]["added"] == 0
    exchange.stop()
    answer = server.post(SYNC, **key)
    assert refusal(answer)[:2] == (503, "EXCHANGE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0


def test_while_the_exchange_bans_us_it_is_said_for_how_long(
    start_server: StartServer, start_exchange: Callable[..., RunningExchange], redis: Redis
) -> None:
    exchange = start_exchange(symbols=3, paused=True, history_days=0)
    exchange.fault("rate_limit", status=418, seconds=300)
    answer = start_server(BINANCE_REST_URL=exchange.url).post(SYNC, **{"X-API-Key": new_key("control")})
    assert refusal(answer)[:2] == (503, "EXCHANGE_UNAVAILABLE")
    assert 290 < int(answer.headers["Retry-After"]) <= 300


def test_every_endpoint_is_documented_with_examples_that_fit_their_shapes() -> None:
    paths = api.get_openapi_schema(path_prefix="api/v1/")["paths"]
    documented = {
        operation.operation_id or api.get_openapi_operation_id(operation): operation
        for router in api._get_bound_routers()
        for view in router.path_operations.values()
        for operation in view.operations
        if operation.include_in_schema
    }
    checked = 0
    for path, methods in paths.items():
        for details in methods.values():
            answers = details["responses"]
            assert {400, 401, 403, 429, 503} <= set(answers), path
            assert (404 in answers) == ("{symbol}" in path), path
            for status, answer in answers.items():
                for media, content in answer["content"].items():
                    if media == "application/json":
                        model = documented[details["operationId"]].response_models[status]
                        model.model_validate({"response": content["example"]})
                        checked += 1
    assert checked > 100
