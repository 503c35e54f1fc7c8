"""ClickHouse for the rest of the project: named queries, fenced inserts, epochs."""

from __future__ import annotations

from typing import Any

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.errors import StaleEpoch
from dataprovider.clickhouse.pool import Pool
from dataprovider.clickhouse.sql import Folder, sql
from dataprovider.clickhouse.trades import TradeColumns, send_insert


class ClickHouse:
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

    def query(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of queries/<name>.sql; its first lines say which parameters it takes and what the columns are."""
        return self._run("queries", name, params)

    def query_columns(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The same as columns, one tuple each; no column at all when there is no row."""
        statement = sql("queries", name)
        with self._pool.lend() as client:
            columns: list[tuple[Any, ...]] = client.execute(statement, params, columnar=True)
        return columns

    def run(self, name: str, /, *, token: str = "", **params: Any) -> list[tuple[Any, ...]]:
        """Run statements/<name>.sql; an insert with a `token` that was used before stores nothing again."""
        return self._run("statements", name, params, {"insert_deduplication_token": token} if token else None)

    def run_text(self, statement: str) -> None:
        """Run one statement that came out of a migration file."""
        with self._pool.lend() as client:
            client.execute(statement)

    def insert_trades(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, query_id: str) -> None:
        """Store a batch of one shard and return when it is acknowledged.

        The same batch with the same `token` is stored once however often it is tried. Raises StaleEpoch, with nothing
        stored, when the shard was raised above `epoch`; ClickHouseUnavailable when it may or may not be stored: try the
        same batch with the same token again. `query_id` is `shard:epoch:sequence`, so that kill_inserts finds it.
        """
        # On the wire a block without rows means the end of the data.
        if not len(trades):
            return
        statement = sql("statements", "insert_trades")
        params = {"shard": shard, "epoch": epoch}
        with self._pool.lend() as client:
            send_insert(client, statement, trades, params=params, query_id=query_id, token=token)

    def insert_repair(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, claim: int, part: int) -> None:
        """Store trades of one shard that were found missing; `claim` names the run that found it, `part` this insert.

        Raises as insert_trades does, and StaleClaim, with nothing stored, when the claim was revoked. `epoch` is what
        epoch_of said before it was looked up what is stored.
        """
        if not len(trades):
            return
        statement = sql("statements", "insert_repair")
        params = {"shard": shard, "epoch": epoch, "claim": claim}
        query_id = f"{shard}:{epoch}:{claim}-{part}"
        with self._pool.lend() as client:
            send_insert(client, statement, trades, params=params, query_id=query_id, token=token)

    def revoke_claim(self, claim: int) -> None:
        """From now on insert_repair under this claim is refused; what it has under way is ended, and gone on return."""
        self.run("revoke_claim", claim=claim)
        self.run("kill_claim", claim=claim)

    def raise_epoch(self, shard: int, epoch: int) -> None:
        """From now on inserts for `shard` with a lower epoch are refused.

        Raises StaleEpoch when the shard is already at a higher one. Inserts that began before may still be under way:
        call kill_inserts next.
        """
        self.run("raise_epoch", shard=shard, epoch=epoch)
        current = self.epoch_of(shard)
        if current > epoch:
            raise StaleEpoch(f"Shard {shard} is at epoch {current} already, above {epoch}.")

    def epoch_of(self, shard: int) -> int:
        """The epoch below which inserts for `shard` are refused; 0 when it was never raised."""
        return int(self.run("epoch_of", shard=shard)[0][0])

    def kill_inserts(self, shard: int, below_epoch: int) -> list[str]:
        """End inserts for `shard` of lower epochs that are still under way; return their query ids when they are gone.

        What they had not committed is not stored.
        """
        rows = self.run("kill_inserts", shard=shard, below_epoch=below_epoch)
        return sorted(query_id for _, query_id, *_ in rows)

    def close(self) -> None:
        """Close every connection; calls after this raise ClickHouseUnavailable."""
        self._pool.close()

    def _run(
        self, folder: Folder, name: str, params: dict[str, Any], settings: dict[str, Any] | None = None
    ) -> list[tuple[Any, ...]]:
        statement = sql(folder, name)
        with self._pool.lend() as client:
            rows: list[tuple[Any, ...]] = client.execute(statement, params, settings=settings)
        return rows
