"""ClickHouse for the rest of the project: named queries, fenced inserts, epochs, on one server or on several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.errors import StaleEpoch
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.shards import shard_of
from dataprovider.clickhouse.trades import TradeColumns

#: The table of a server's own trades, and the one that reads those of all servers.
LOCAL, ALL = "trades_local", "trades"


class ClickHouse:
    """The trades, for any number of threads: shard s lives on node s mod N, and so do all trades of a symbol.

    What is asked of one symbol or shard goes to its node; what is asked of several goes through the table that reads
    them all. Of each node at most `pool_size` calls run at once, others wait for a connection; `timeout` (seconds)
    bounds a whole call, waiting included, `connect_timeout` the making of a connection. Nothing connects before the
    first call. Every method raises ClickHouseUnavailable (the same call may work later) or ClickHouseRejected.
    """

    def __init__(
        self,
        addresses: Address | Sequence[Address],
        *,
        pool_size: int = 4,
        connect_timeout: float = 3.0,
        timeout: float = 30.0,
    ) -> None:
        self.addresses = (addresses,) if isinstance(addresses, Address) else tuple(addresses)
        self.nodes = tuple(
            Node(address, pool_size=pool_size, connect_timeout=connect_timeout, timeout=timeout)
            for address in self.addresses
        )

    def node_of(self, shard: int) -> Node:
        """Where this shard lives."""
        return self.nodes[shard % len(self.nodes)]

    def query(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of queries/<name>.sql; its first lines say which parameters it takes and what the columns are."""
        node, params = self._placed(params)
        return node.run("queries", name, params)

    def query_columns(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The same as columns, one tuple each; no column at all when there is no row."""
        node, params = self._placed(params)
        return node.run("queries", name, params, columnar=True)

    def query_each(self, name: str, /, **params: Any) -> list[list[tuple[Any, ...]]]:
        """The rows that each node has of a query about itself."""
        return [node.run("queries", name, params) for node in self.nodes]

    def insert_trades(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, query_id: str) -> None:
        """Store a batch of one shard and return when it is acknowledged.

        The same batch with the same `token` is stored once however often it is tried. Raises StaleEpoch, with nothing
        stored, when the shard was raised above `epoch`; ClickHouseUnavailable when it may or may not be stored: try the
        same batch with the same token again. `query_id` is `shard:epoch:sequence`, so that kill_inserts finds it.
        """
        params = {"shard": shard, "epoch": epoch}
        self.node_of(shard).insert("insert_trades", trades, params, query_id=query_id, token=token)

    def insert_repair(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, claim: int, part: int) -> None:
        """Store trades of one shard that were found missing; `claim` names the run that found it, `part` this insert.

        Raises as insert_trades does, and StaleClaim, with nothing stored, when the claim was revoked. `epoch` is what
        epoch_of said before it was looked up what is stored.
        """
        params = {"shard": shard, "epoch": epoch, "claim": claim}
        query_id = f"{shard}:{epoch}:{claim}-{part}"
        self.node_of(shard).insert("insert_repair", trades, params, query_id=query_id, token=token)

    def revoke_claim(self, claim: int) -> None:
        """From now on insert_repair under this claim is refused; what it has under way is ended, and gone on return."""
        for node in self.nodes:
            node.run("statements", "revoke_claim", {"claim": claim})
            node.run("statements", "kill_claim", {"claim": claim})

    def raise_epoch(self, shard: int, epoch: int) -> None:
        """From now on inserts for `shard` with a lower epoch are refused.

        Raises StaleEpoch when the shard is already at a higher one. Inserts that began before may still be under way:
        call kill_inserts next.
        """
        self.node_of(shard).run("statements", "raise_epoch", {"shard": shard, "epoch": epoch})
        current = self.epoch_of(shard)
        if current > epoch:
            raise StaleEpoch(f"Shard {shard} is at epoch {current} already, above {epoch}.")

    def epoch_of(self, shard: int) -> int:
        """The epoch below which inserts for `shard` are refused; 0 when it was never raised."""
        return int(self.node_of(shard).run("statements", "epoch_of", {"shard": shard})[0][0])

    def kill_inserts(self, shard: int, below_epoch: int) -> list[str]:
        """End inserts for `shard` of lower epochs that are still under way; return their query ids when they are gone.

        What they had not committed is not stored.
        """
        params = {"shard": shard, "below_epoch": below_epoch}
        rows = self.node_of(shard).run("statements", "kill_inserts", params)
        return sorted(query_id for _, query_id, *_ in rows)

    def run_text(self, statement: str) -> None:
        """Run one statement on every node."""
        for node in self.nodes:
            node.run_text(statement)

    def close(self) -> None:
        """Close every connection; calls after this raise ClickHouseUnavailable."""
        for node in self.nodes:
            node.close()

    def _placed(self, params: dict[str, Any]) -> tuple[Node, dict[str, Any]]:
        """Where to ask what has these parameters, and the parameters with the table to read."""
        shards = _shards(params)
        nodes = list(dict.fromkeys(self.node_of(shard) for shard in shards)) if shards is not None else self.nodes
        # Who is asked for nothing answers with nothing.
        node = nodes[0] if nodes else self.nodes[0]
        return node, {**params, "trades": LOCAL if len(nodes) <= 1 else ALL}


def _shards(params: dict[str, Any]) -> Iterable[int] | None:
    """The shards that a query with these parameters reads; None: all."""
    if "shard" in params:
        return [params["shard"]]
    if "symbol" in params:
        return [shard_of(params["symbol"])]
    # No symbols mean all of them to a query that may be asked so.
    return [shard_of(symbol) for symbol in params["symbols"]] if params.get("symbols") else None
