"""One ClickHouse server: named queries and statements, and inserts."""

from __future__ import annotations

from typing import Any

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.pool import Pool
from dataprovider.clickhouse.sql import Folder, sql
from dataprovider.clickhouse.trades import TradeColumns, send_insert


class Node:
    """One server and database, for any number of threads.

    At most `pool_size` calls run at once, others wait for a connection; `timeout` (seconds) bounds a whole call,
    waiting included, `connect_timeout` the making of a connection. Nothing connects before the first call.
    Every method raises ClickHouseUnavailable (the same call may work later) or ClickHouseRejected.
    """

    def __init__(
        self, address: Address, *, pool_size: int = 4, connect_timeout: float = 3.0, timeout: float = 30.0
    ) -> None:
        self.address = address
        self._pool = Pool(address, size=pool_size, connect_timeout=connect_timeout, timeout=timeout)

    def run(
        self, folder: Folder, name: str, params: dict[str, Any], *, token: str = "", columnar: bool = False
    ) -> list[tuple[Any, ...]]:
        """The rows (with `columnar` the columns, none when there is no row) of <folder>/<name>.sql."""
        statement = sql(folder, name)
        settings = {"insert_deduplication_token": token} if token else None
        with self._pool.lend() as client:
            rows: list[tuple[Any, ...]] = client.execute(statement, params, settings=settings, columnar=columnar)
        return rows

    def run_text(self, statement: str) -> None:
        """Run one statement that came out of a migration file."""
        with self._pool.lend() as client:
            client.execute(statement)

    def insert(self, name: str, trades: TradeColumns, params: dict[str, Any], *, query_id: str, token: str) -> None:
        """Send trades after statements/<name>.sql, and return when they are acknowledged. Also raises StaleEpoch."""
        # On the wire a block without rows means the end of the data.
        if not len(trades):
            return
        statement = sql("statements", name)
        with self._pool.lend() as client:
            send_insert(client, statement, trades, params=params, query_id=query_id, token=token)

    def close(self) -> None:
        """Close every connection; calls after this raise ClickHouseUnavailable."""
        self._pool.close()
