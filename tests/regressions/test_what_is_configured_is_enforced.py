"""Failure 20 of the original: SQL made from strings, an allow-list that a proxy defeats, keys and limits that are not
enforced. (Connections by address: tests/streaming; no SQL in Python: tests/clickhouse/test_no_sql_in_python.py.)"""

from __future__ import annotations

from itertools import product

import pytest
import requests

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer, refusal, start_server, test_database_url  # noqa: F401
from tests.clickhouse.trades import Row, store, stored
from tests.security.test_guards import new_key

SYMBOLS = ("BTCUSDT' OR '1'='1", "BTCUSDT'; TRUNCATE TABLE trades_local; --", "BTC%25")
SYMBOL_PATHS = ("data/trades/{}", "data/klines/{}", "integrity/coverage/{}", "tickers/{}", "tickers/{}/mvs")


@pytest.mark.django_db(transaction=True)
def test_a_symbol_is_a_value_and_never_part_of_a_statement(
    start_server: StartServer,  # noqa: F811
    clickhouse: ClickHouse,
) -> None:
    """Failure 20 of the original: what came in the address was pasted into the query."""
    store(clickhouse, [Row(1)])
    server = start_server()
    for path, symbol in product(SYMBOL_PATHS, SYMBOLS):
        assert server.refusal(f"/api/v1/{path.format(symbol)}")[:2] == (404, "UNKNOWN_SYMBOL"), path
    assert stored(clickhouse) == 1


@pytest.mark.django_db(transaction=True)
def test_addresses_keys_and_limits_hold_behind_a_proxy(start_server: StartServer) -> None:  # noqa: F811
    """Failure 20 of the original: every client behind a proxy was the proxy, and keys and limits were settings only."""
    server = start_server(
        ALLOWED_IPS="192.0.2.0/24", TRUSTED_PROXIES="127.0.0.1", REQUIRE_API_KEY="true", RATE_LIMIT_PER_MINUTE="4"
    )
    key = new_key()

    def ask(forwarded_for: str, **headers: str) -> requests.Response:
        named = {"X-Forwarded-For": forwarded_for, **headers}
        return requests.get(f"{server.url}/api/v1/tickers/", headers=named, timeout=10)

    assert refusal(ask("198.51.100.1"))[:2] == (403, "FORBIDDEN")
    assert refusal(ask("192.0.2.1, 198.51.100.1"))[:2] == (403, "FORBIDDEN")
    assert refusal(ask("192.0.2.1"))[:2] == (401, "API_KEY_REQUIRED")
    # The refused without a key counted too.
    assert [ask("192.0.2.1", **{"X-API-Key": key}).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert ask("192.0.2.2", **{"X-API-Key": key}).status_code == 200
