"""One ClickHouse instead of those of the test run: where these are several, it is the one with BTCUSDT."""

from __future__ import annotations

from dataprovider.clickhouse import Address, ClickHouse
from dataprovider.clickhouse.shards import shard_of


def address_of(clickhouse: ClickHouse, symbol: str = "BTCUSDT") -> Address:
    """Where its trades are."""
    return clickhouse.node_of(shard_of(symbol)).address


def service_of(clickhouse: ClickHouse, symbol: str = "BTCUSDT") -> str:
    """The name of its server among the embedded services."""
    number = clickhouse.nodes.index(clickhouse.node_of(shard_of(symbol))) + 1
    return "clickhouse" if number == 1 else f"clickhouse-{number}"


def only_at(port: int) -> dict[str, str]:
    """The settings of a process that knows one ClickHouse, on this port of this machine."""
    return {"CLICKHOUSE_HOST": "127.0.0.1", "CLICKHOUSE_NATIVE_PORT": str(port), "CLICKHOUSE_NODES": ""}
