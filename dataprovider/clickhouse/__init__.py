"""ClickHouse: a pooled client, named queries, fenced inserts and the schema."""

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.client import ClickHouse
from dataprovider.clickhouse.errors import (
    ClickHouseError,
    ClickHouseRejected,
    ClickHouseUnavailable,
    SchemaChanged,
    StaleClaim,
    StaleEpoch,
)
from dataprovider.clickhouse.migrate import migrate
from dataprovider.clickhouse.trades import TradeColumns

__all__ = [
    "Address",
    "ClickHouse",
    "ClickHouseError",
    "ClickHouseRejected",
    "ClickHouseUnavailable",
    "SchemaChanged",
    "StaleClaim",
    "StaleEpoch",
    "TradeColumns",
    "migrate",
]
