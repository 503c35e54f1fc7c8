"""Services away or slow: 503 with Retry-After, never a 500, and one slow query does not hold up another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import StartServer, refusal
from tests.clickhouse.proxy import proxy_to
from tests.clickhouse.trades import Row, store
from tests.nodes import address_of, only_at

DATA = "/api/v1/data"


@pytest.mark.parametrize("path", ["trades/BTCUSDT", "trades/BTCUSDT/latest", "klines/BTCUSDT"])
def test_clickhouse_away_is_503_and_says_when_to_try_again(start_server: StartServer, path: str) -> None:
    server = start_server(**only_at(1))
    response = server.get(f"{DATA}/{path}")
    assert refusal(response)[:2] == (503, "STORE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0


def test_wrong_parameters_are_still_400_while_clickhouse_is_away(start_server: StartServer) -> None:
    server = start_server(**only_at(1))
    assert server.refusal(f"{DATA}/klines/BTCUSDT", limit=0)[0] == 400


def test_clickhouse_comes_back_and_so_do_the_answers(start_server: StartServer, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1)])
    with proxy_to(address_of(clickhouse).host, address_of(clickhouse).port) as proxy:
        server = start_server(**only_at(proxy.port))
        assert len(server.data(f"{DATA}/klines/BTCUSDT")) == 1
        proxy.go_away()
        assert server.refusal(f"{DATA}/klines/BTCUSDT")[0] == 503
        proxy.come_back()
        assert len(server.data(f"{DATA}/klines/BTCUSDT")) == 1


def test_postgres_away_matters_only_for_symbols_without_trades(
    start_server: StartServer, clickhouse: ClickHouse
) -> None:
    store(clickhouse, [Row(1)])
    server = start_server(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert len(server.data(f"{DATA}/klines/BTCUSDT")) == 1
    assert server.refusal(f"{DATA}/klines/NONE")[:2] == (503, "DATABASE_UNAVAILABLE")


def test_postgres_away_is_a_page_with_a_sentence_for_people(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none", LOG_TO="files", LOGS_DIR=str(tmp_path))
    answer = server.get("/admin/collectors/symbol/")
    # Who has no session has nothing that Postgres would have to be asked for.
    assert answer.url.endswith("/admin/login/?next=/admin/collectors/symbol/")
    answer = requests.get(answer.url, cookies={"sessionid": "a" * 32}, timeout=30)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Postgres does not answer, and this page is made of what it knows." in answer.text
    assert "Traceback" not in (tmp_path / "web.log").read_text()


def test_pages_that_cannot_be_are_a_sentence(start_server: StartServer) -> None:
    server = start_server()
    missing = server.get("/nowhere")
    assert (missing.status_code, "There is no page at /nowhere." in missing.text) == (404, True)
    foreign = requests.get(missing.url, headers={"Host": "data.example.com"}, timeout=30)
    assert (foreign.status_code, "not one of ALLOWED_HOSTS" in foreign.text) == (400, True)


def test_slow_queries_run_side_by_side(start_server: StartServer, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(1)])
    with proxy_to(address_of(clickhouse).host, address_of(clickhouse).port) as proxy:
        server = start_server(**only_at(proxy.port))

        def ask(_: int) -> float:
            before = time.monotonic()
            server.data(f"{DATA}/trades/BTCUSDT/latest")
            return time.monotonic() - before

        with ThreadPoolExecutor(8) as clients:
            list(clients.map(ask, range(16)))
            proxy.delay = 0.3
            alone = ask(0)
            before = time.monotonic()
            list(clients.map(ask, range(8)))
            together = time.monotonic() - before
        assert alone >= 0.3
        # One after another they would take eight times as long.
        assert together < 3 * alone
