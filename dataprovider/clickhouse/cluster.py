"""Several servers as one: whether all of them know the same nodes in the same order, and hold only what lives there."""

from __future__ import annotations

from collections.abc import Sequence

from dataprovider.clickhouse.errors import NodesDisagree
from dataprovider.clickhouse.node import Node

#: What the cluster is called in each server's configuration (remote_servers).
CLUSTER = "dataprovider"


def join(nodes: Sequence[Node]) -> None:
    """Make the table that reads all nodes on each of them; nothing to do for one.

    Raises NodesDisagree, with nothing made, when a server's configuration names other nodes or another order, and when
    a node holds trades of a shard that lives elsewhere: reads would not find them.
    """
    for number, node in enumerate(nodes):
        _check_place(number, node, len(nodes))
    if len(nodes) == 1:
        return
    wanted = [(node.address.host, node.address.port, 1) for node in nodes]
    for node in nodes:
        configured = node.run("statements", "cluster_nodes", {})
        if configured != wanted:
            raise NodesDisagree(
                f"ClickHouse at {node.address} has {_names(configured)} in its cluster `{CLUSTER}`, and "
                f"CLICKHOUSE_NODES names {_names(wanted)}: name the same in the same order, in remote_servers of its "
                "configuration a shard of weight 1 for each."
            )
    for node in nodes:
        node.run("statements", "create_trades", {})


def _check_place(number: int, node: Node, count: int) -> None:
    misplaced = [shard for (shard,) in node.run("statements", "shards_here", {}) if shard % count != number]
    if misplaced:
        shards = ", ".join(map(str, misplaced))
        raise NodesDisagree(
            f"ClickHouse at {node.address} holds trades of the shards {shards}, which live on other nodes when there "
            f"are {count}: name the nodes as they were when these were stored (CLICKHOUSE_NODES)."
        )


def _names(nodes: Sequence[tuple[str, int, int]]) -> str:
    return ", ".join(f"{host}:{port}" for host, port, _ in nodes) or "no node"
