"""The original's table in a database of its own on the server of the product, and its driver."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clickhouse_driver import Client

from dataprovider.clickhouse import Address, TradeColumns
from dataprovider.decimals import ONE

DATABASE = "original"
#: "INSERT (batch 50K)".
BATCH = 50_000

#: symbol, aggregate id, price, quantity, first and last trade id, time, maker.
Row = tuple[str, int, float, float, int, int, datetime, int]


class OriginalTable:
    """Its statements over one connection; made empty."""

    def __init__(self, address: Address) -> None:
        self.client = Client(
            address.host,
            address.port,
            user=address.username,
            password=address.password,
            database="default",
            settings={"server_side_params": True, "async_insert": 0, "max_execution_time": 600},
            send_receive_timeout=600,
        )
        self._product = address.database
        self.client.execute(f"CREATE DATABASE IF NOT EXISTS {DATABASE} ENGINE = Atomic")
        self.client.execute(f"USE {DATABASE}")
        self.run("trades_local")
        self.empty()

    def run(self, name: str, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of <name>.sql."""
        text = Path(__file__).with_name(f"{name}.sql").read_text()
        rows: list[tuple[Any, ...]] = self.client.execute(text, params or None)
        return rows

    def insert(self, rows: Sequence[Row]) -> None:
        """One batch, tuple by tuple: what clickhouse-driver takes."""
        text = Path(__file__).with_name("insert.sql").read_text().partition("\n")[2]
        self.client.execute(text, rows)

    def copy(self) -> None:
        """Everything that is in the product's table, in place of what was here."""
        self.empty()
        self.run("copy", database=self._product)

    def empty(self) -> None:
        """Forget every trade."""
        self.client.execute("TRUNCATE TABLE trades_local")

    def close(self) -> None:
        """Drop the table, for its disk."""
        self.client.execute("DROP TABLE IF EXISTS trades_local SYNC")
        self.client.disconnect()


def rows_of(trades: TradeColumns) -> list[Row]:
    """Trades as the original keeps them: floats and datetimes."""
    return list(
        zip(
            trades.symbol.tolist(),
            trades.aggregate_id.tolist(),
            (trades.price / ONE).tolist(),
            (trades.quantity / ONE).tolist(),
            trades.first_trade_id.tolist(),
            trades.last_trade_id.tolist(),
            [datetime.fromtimestamp(each / 1000, UTC) for each in trades.timestamp.tolist()],
            trades.is_buyer_maker.tolist(),
            strict=True,
        )
    )
