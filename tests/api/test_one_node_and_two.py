"""The same trades on one ClickHouse and on two: every answer is the same, to the last byte."""

from __future__ import annotations

from typing import Any

import pytest

from dataprovider.clickhouse import Address, ClickHouse
from dataprovider.clickhouse.moving import Move
from dataprovider.clickhouse.shards import shard_of
from tests.api.conftest import StartServer
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.rows import make_symbol

#: One of an even shard and one of an odd one.
SYMBOLS = ["BTCUSDT", "ETHUSDT"]
MINUTE = 60_000
RANGE = {"start_time": NEW_YEAR, "end_time": NEW_YEAR + 40 * 86_400_000}
ROWS = [
    Row(
        n,
        NEW_YEAR + n * 11 * MINUTE + n % 700,
        price=100_00000000 + n * 7919 % 5_00000000,
        quantity=1 + n,
        first=2 * n,
        last=2 * n + n % 2,
        maker=n % 2,
        symbol=symbol,
    )
    for symbol in SYMBOLS
    for n in range(2_000)
    # Ids are missing in one place.
    if not 700 <= n < 720
]
PATHS: list[tuple[str, dict[str, Any]]] = [
    ("/api/v1/data/klines/{symbol}", {"timeframe": 173, "limit": 1000, **RANGE}),
    ("/api/v1/data/klines/{symbol}", {"timeframe": 1, "limit": 500, **RANGE}),
    ("/api/v1/data/klines/{symbol}", {"timeframe": 1440, "limit": 10}),
    ("/api/v1/data/trades/{symbol}", {"limit": 1000, **RANGE}),
    ("/api/v1/integrity/coverage/{symbol}", {}),
    ("/api/v1/export/trades/{symbol}", RANGE),
    ("/api/v1/export/trades/{symbol}", {"format": "parquet", **RANGE}),
    ("/api/v1/export/candles/{symbol}", {"timeframe": 173, "format": "parquet", **RANGE}),
    ("/api/v1/export/candles/{symbol}", {"timeframe": 2850, **RANGE}),
    ("/fapi/v1/klines", {"symbol": "{symbol}", "interval": "1h", "limit": 500}),
    ("/fapi/v1/aggTrades", {"symbol": "{symbol}", "fromId": 0, "limit": 1000}),
]


def told_of(addresses: tuple[Address, ...]) -> dict[str, str]:
    """The settings of a process that knows these."""
    first = addresses[0]
    return {
        "CLICKHOUSE_HOST": first.host,
        "CLICKHOUSE_NODES": ",".join(map(str, addresses)) if len(addresses) > 1 else "",
        "CLICKHOUSE_NATIVE_PORT": str(first.port),
        "CLICKHOUSE_DATABASE": first.database,
        "CLICKHOUSE_USERNAME": first.username,
        "CLICKHOUSE_PASSWORD": first.password,
    }


def answer(server: Any, path: str, params: dict[str, Any], symbol: str) -> bytes | Any:
    """The body of a file, or the data of an answer without the moment it was given."""
    response = server.get(
        path.format(symbol=symbol), **{key: symbol if value == "{symbol}" else value for key, value in params.items()}
    )
    assert response.status_code == 200, response.text
    if "export" in path:
        assert len(response.content) > 300
        return response.content
    body = response.json()
    data = body["data"] if isinstance(body, dict) and "data" in body else body
    assert data
    if isinstance(data, dict):
        data.pop("checked_at", None)
        data.pop("issued_at", None)
    return data


@pytest.mark.django_db(transaction=True)
def test_candles_certificates_and_exports_are_the_same_on_one_node_and_on_two_and_after_a_move(
    start_server: StartServer, clickhouse: ClickHouse, two: ClickHouse
) -> None:
    for name in SYMBOLS:
        make_symbol(name)
    store(clickhouse, ROWS)
    store(two, ROWS)
    one_server, two_servers = start_server(**told_of(clickhouse.addresses)), start_server(**told_of(two.addresses))
    asked = [(path, params, symbol) for path, params in PATHS for symbol in SYMBOLS]
    expected = [answer(one_server, *each) for each in asked]
    assert [answer(two_servers, *each) for each in asked] == expected
    # All of it on the first node, while the same process serves.
    shard = next(shard_of(name) for name in SYMBOLS if shard_of(name) % 2)
    move = Move(two.nodes, shard, 0)
    for day in move.missing():
        move.copy(day)
    move.close(1)
    move.announce()
    move.give_up(1)
    move.arrive(1)
    move.switch()
    assert [answer(two_servers, *each) for each in asked] == expected
