"""ClickHouse: a pooled client, named queries, fenced inserts and the schema."""

import os

# The driver (its documentation, "Miscellaneous") otherwise makes a table of every date from 1900 to 2299 when it is
# imported: a fifth of a second and 22 MB of each process.
os.environ.setdefault("CLICKHOUSE_DRIVER_LASY_DATE_LUT", "2019-09-01:2019-09-01")

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.client import ClickHouse
from dataprovider.clickhouse.errors import (
    ClickHouseError,
    ClickHouseRejected,
    ClickHouseUnavailable,
    NodesDisagree,
    SchemaChanged,
    ShardMoving,
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
    "NodesDisagree",
    "SchemaChanged",
    "ShardMoving",
    "StaleClaim",
    "StaleEpoch",
    "TradeColumns",
    "migrate",
]
