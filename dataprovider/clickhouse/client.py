"""ClickHouse for the rest of the project: named queries, fenced inserts, epochs, on one server or on several."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.errors import ClickHouseUnavailable, ShardMoving, StaleEpoch
from dataprovider.clickhouse.fence import HELD, epoch_in
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.placement import SETTLE_SECONDS, Placement, PlacementReader
from dataprovider.clickhouse.shards import shard_of
from dataprovider.clickhouse.trades import TradeColumns

#: The table of a server's own trades, and the one that reads those of all servers.
LOCAL, ALL = "trades_local", "trades"
#: A node that did not answer is left out for so long (seconds), where others can do without it, and ten times as long
#: as it was waited for.
AWAY_SECONDS, AWAY_TIMES = 2.0, 10.0
#: Of several nodes each has so long (seconds) to say when its trades begin and end.
SPAN_SECONDS = 5.0
#: The last steps of a move take five to ten seconds: who reads all nodes waits for so long (seconds), whatever its own
#: time-out.
MOVE_SECONDS = 20.0


class ClickHouse:
    """The trades, for any number of threads: each shard, and so all trades of a symbol, lives on one node.

    What is asked of one symbol or shard goes to its node; what is asked of several goes through the table that reads
    them all. Where a shard lives is read from the nodes again and again, so that one may move meanwhile; an answer is
    always as before a move or as after it.

    Of each node at most `pool_size` calls run at once, others wait for a connection; `timeout` (seconds) bounds a whole
    call, waiting included, `connect_timeout` the making of a connection. Nothing connects before the first call. Every
    method raises ClickHouseUnavailable (the same call may work later) or ClickHouseRejected.
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
        self._timeout = timeout
        #: Connections of their own, for questions that a node which hangs is not to hold up for the whole time-out.
        self._quick = tuple(
            Node(address, pool_size=pool_size, connect_timeout=connect_timeout, timeout=min(timeout, SPAN_SECONDS))
            for address in (self.addresses if len(self.addresses) > 1 else ())
        )
        #: Until when each node is not asked what others can answer without it, and what it said last.
        self._patience = [0.0] * len(self.nodes)
        self._spans: list[tuple[int, int] | None] = [None] * len(self.nodes)
        self._placement = PlacementReader(
            self.addresses, connect_timeout=connect_timeout, timeout=min(timeout, SETTLE_SECONDS)
        )

    def node_of(self, shard: int) -> Node:
        """Where this shard lives. Raises ClickHouseUnavailable when no node says so."""
        return self.nodes[self._placement.current().nodes[shard]]

    def number_of(self, shard: int) -> int:
        """The number of its node as last known: asks nobody, and is right for as long as its caller owns the shard."""
        return self._placement.last_known().nodes[shard]

    def moving(self) -> int | None:
        """The shard that is just changing its node. Raises ClickHouseUnavailable when no node says so."""
        return self._placement.current().moving_shard

    def query(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of queries/<name>.sql; its first lines say which parameters it takes and what the columns are."""
        return self._ask(name, params, columnar=False)

    def query_columns(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The same as columns, one tuple each; no column at all when there is no row."""
        return self._ask(name, params, columnar=True)

    def query_each(self, name: str, /, **params: Any) -> list[list[tuple[Any, ...]]]:
        """The rows that each node has of a query about itself, or about the trades that lie on it."""
        return [self.query_node(number, name, **params) for number in range(len(self.nodes))]

    def query_node(self, number: int, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The same of one node, counted from 0."""
        return self.nodes[number].run("queries", name, {**params, "trades": LOCAL})

    def span(self) -> tuple[int, int]:
        """When the stored trades begin and end, all symbols together (ms; 0 and 0 when there is none).

        Of a node that is away what it said last counts. Raises what the first one raised when none answers.
        """
        quick = self._quick or self.nodes
        answered = False
        failure: ClickHouseUnavailable | None = None
        # Those that were away a moment ago come last, and are not waited for when others answered.
        for number in sorted(range(len(self.nodes)), key=lambda number: self._patience[number]):
            began = time.monotonic()
            if answered and began < self._patience[number]:
                continue
            try:
                ((rows, oldest, newest),) = quick[number].run("queries", "stored_span", {"trades": LOCAL})
            except ClickHouseUnavailable as error:
                # Not everybody who asks in the next moment is to wait for it again; one that was never heard may have
                # older trades than all others.
                waited = AWAY_TIMES * (time.monotonic() - began) if self._spans[number] is not None else 0.0
                self._patience[number] = time.monotonic() + max(AWAY_SECONDS, waited)
                failure = failure or error
            else:
                answered = True
                self._spans[number] = (int(oldest), int(newest)) if rows else None
        if not answered:
            assert failure is not None
            raise failure
        spans = [each for each in self._spans if each is not None]
        return (min(oldest for oldest, _ in spans), max(newest for _, newest in spans)) if spans else (0, 0)

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

    def revoke_claim(self, claim: int, *, shard: int) -> None:
        """From now on insert_repair under this claim is refused; what it has under way is ended, and gone on return.

        `shard`: that of the claim's symbol.
        """
        node = self.node_of(shard)
        node.run("statements", "revoke_claim", {"claim": claim})
        node.run("statements", "kill_claim", {"claim": claim})

    def raise_epoch(self, shard: int, epoch: int) -> None:
        """From now on inserts for `shard` with a lower epoch are refused.

        Raises StaleEpoch when the shard is already at a higher one, ShardMoving when it is just changing its node.
        Inserts that began before may still be under way: call kill_inserts next.
        """
        self.node_of(shard).run("statements", "raise_epoch", {"shard": shard, "epoch": epoch, "held": HELD})
        fence = self._fence(shard)
        if fence > epoch:
            raise StaleEpoch(f"Shard {shard} is at epoch {epoch_in(fence, shard)} already; {epoch} is too low.")

    def epoch_of(self, shard: int) -> int:
        """The epoch below which inserts for `shard` are refused; 0 when it was never raised.

        Raises ShardMoving when it is just changing its node.
        """
        return epoch_in(self._fence(shard), shard)

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
        self._placement.close()
        for node in (*self.nodes, *self._quick):
            node.close()

    def _fence(self, shard: int) -> int:
        return int(self.node_of(shard).run("statements", "epoch_of", {"shard": shard})[0][0])

    def _ask(self, name: str, params: dict[str, Any], *, columnar: bool) -> list[tuple[Any, ...]]:
        deadline = time.monotonic() + self._timeout
        while True:
            placement = self._placement.current()
            nodes = self._asked(placement, params)
            if len(nodes) > 1:
                placement = self._placement.settled(min(MOVE_SECONDS, deadline - time.monotonic()))
                # All nodes are asked through one, which one does not matter.
                rows = nodes[0].run("queries", name, {**params, "trades": ALL}, columnar=columnar)
            else:
                rows = nodes[0].run("queries", name, {**params, "trades": LOCAL}, columnar=columnar)
                if self._placement.held(placement):
                    return rows
            if self._placement.fresh().version == placement.version:
                return rows
            # A shard changed its node while it was read.
            if time.monotonic() > deadline:
                raise ShardMoving("ClickHouse's shards change their nodes again and again: ask later.")

    def _asked(self, placement: Placement, params: dict[str, Any]) -> Sequence[Node]:
        """The nodes that have what a query with these parameters reads, one at least."""
        shards = _shards(params)
        if shards is None:
            return self.nodes
        # Who is asked for nothing answers with nothing.
        return [self.nodes[number] for number in dict.fromkeys(placement.nodes[shard] for shard in shards)] or [
            self.nodes[0]
        ]


def _shards(params: dict[str, Any]) -> Iterable[int] | None:
    """The shards that a query with these parameters reads; None: all."""
    if "shard" in params:
        return [params["shard"]]
    if "symbol" in params:
        return [shard_of(params["symbol"])]
    # No symbols mean all of them to a query that may be asked so.
    return [shard_of(symbol) for symbol in params["symbols"]] if params.get("symbols") else None
