"""Inserts that stop half-way."""

from __future__ import annotations

from clickhouse_driver import Client

from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.sql import sql
from dataprovider.clickhouse.trades import INSERT_SETTINGS


def begin_insert(clickhouse: ClickHouse, shard: int, epoch: int) -> Client:
    """An insert that has passed the fence and whose rows have not come yet."""
    address = clickhouse.node_of(shard).address
    client = Client(
        address.host,
        address.port,
        address.database,
        address.username,
        address.password,
        settings={"server_side_params": True},
    )
    client.establish_connection(INSERT_SETTINGS)
    params = {"shard": shard, "epoch": epoch}
    client.connection.send_query(sql("statements", "insert_trades"), query_id=f"{shard}:{epoch}:1", params=params)
    client.connection.send_external_tables(None)
    client.receive_sample_block()
    return client
