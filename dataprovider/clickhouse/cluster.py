"""Several servers as one: whether all of them know the same nodes in the same order, and hold only what lives there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.errors import NodesDisagree
from dataprovider.clickhouse.fence import ELSEWHERE
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.placement import Placement
from dataprovider.clickhouse.shards import SHARD_COUNT

#: What the cluster is called in each server's configuration (remote_servers).
CLUSTER = "dataprovider"
_NOTHING_SAYS = "Nothing says which shard lives where yet: run `manage.py migrate_clickhouse`."


def join(nodes: Sequence[Node]) -> None:
    """Agree where each shard lives, and make the table that reads all nodes on each of them; little to do for one.

    What is agreed already stays as it is, also while a shard moves. A shard stays where it is. One that is nowhere yet
    goes to node s mod N: what was one server and becomes the first of several keeps its trades, until `manage.py
    rebalance` moves some.

    Raises NodesDisagree, with nothing changed, when a server's configuration names other nodes or another order, and
    when a node holds trades of a shard that lives elsewhere: reads would not find them.
    """
    told = [placements.read(node) for node in nodes]
    holdings = _holdings(nodes)
    placement = placements.highest(told)
    if placement is None:
        placement = Placement(1, _found(nodes, holdings))
    _check(nodes, holdings, placement)
    if len(nodes) == 1:
        return
    _check_configuration(nodes)
    for number, node in enumerate(nodes):
        if told[number] is None:
            _introduce(number, node, placement)
    # A move may go on meanwhile: whatever it said last holds.
    tell_newest(nodes)


def check(nodes: Sequence[Node]) -> Placement:
    """The placement that holds. Raises NodesDisagree as `join` does, and when nothing was agreed yet."""
    placement = placements.newest(nodes)
    if placement is None:
        raise NodesDisagree(_NOTHING_SAYS)
    _check(nodes, _holdings(nodes), placement)
    _check_configuration(nodes)
    return placement


def tell_newest(nodes: Sequence[Node]) -> Placement:
    """Tell each node that does not know it the placement that holds, and have it read there; the placement.

    What a move that was interrupted told only some of them, all of them know then.
    """
    while True:
        told = [placements.read(node) for node in nodes]
        newest = placements.highest(told)
        if newest is None:
            raise NodesDisagree(_NOTHING_SAYS)
        behind = [node for node, known in zip(nodes, told, strict=True) if known != newest]
        if not behind:
            return newest
        if any(known is not None and known != newest and known.version == newest.version for known in told):
            # Two of the same version say different things: a later one ends that.
            newest, behind = replace(newest, version=newest.version + 1), list(nodes)
        for node in behind:
            node.run("statements", "create_trades", {"nodes": list(newest.nodes)})
        placements.record(behind, newest)


def _introduce(number: int, node: Node, placement: Placement) -> None:
    """What a node needs that was never one of several."""
    for shard in range(SHARD_COUNT):
        if placement.nodes[shard] != number and placement.moving_shard != shard:
            # A process that was told of other nodes must not write it here.
            node.run("statements", "raise_epoch", {"shard": shard, "epoch": ELSEWHERE, "held": 0})
    node.run("statements", "create_trades", {"nodes": list(placement.nodes)})
    placements.record([node], placement)


def _holdings(nodes: Sequence[Node]) -> list[frozenset[int]]:
    """The shards of which each node has trades."""
    return [frozenset(shard for (shard,) in node.run("statements", "shards_here", {})) for node in nodes]


def _found(nodes: Sequence[Node], holdings: Sequence[frozenset[int]]) -> tuple[int, ...]:
    """The node of each shard by where its trades are."""
    found = []
    for shard in range(SHARD_COUNT):
        holders = [number for number, held in enumerate(holdings) if shard in held]
        if len(holders) > 1:
            both = " and at ".join(str(nodes[number].address) for number in holders)
            raise NodesDisagree(
                f"ClickHouse at {both} hold trades of the same shard {shard}, and nothing says where it lives: name "
                "the nodes as they were when these were stored (CLICKHOUSE_NODES)."
            )
        found.append(holders[0] if holders else shard % len(nodes))
    return tuple(found)


def _check(nodes: Sequence[Node], holdings: Sequence[frozenset[int]], placement: Placement) -> None:
    placements.check_named(placement, len(nodes))
    for number, held in enumerate(holdings):
        # A shard that is moving lies on two nodes for some seconds.
        misplaced = sorted(s for s in held if placement.nodes[s] != number and s != placement.moving_shard)
        if misplaced:
            raise NodesDisagree(
                f"ClickHouse at {nodes[number].address} holds trades of the shards {_list(misplaced)}, which live on "
                "other nodes: name the nodes as they were when these were stored (CLICKHOUSE_NODES)."
            )


def _check_configuration(nodes: Sequence[Node]) -> None:
    wanted = [(node.address.host, node.address.port, 1) for node in nodes]
    for node in nodes:
        configured = node.run("statements", "cluster_nodes", {})
        if configured != wanted:
            raise NodesDisagree(
                f"ClickHouse at {node.address} has {_names(configured)} in its cluster `{CLUSTER}`, and "
                f"CLICKHOUSE_NODES names {_names(wanted)}: name the same in the same order, in remote_servers of its "
                "configuration a shard of weight 1 for each."
            )


def _list(shards: Sequence[int]) -> str:
    return ", ".join(map(str, shards))


def _names(nodes: Sequence[tuple[str, int, int]]) -> str:
    return ", ".join(f"{host}:{port}" for host, port, _ in nodes) or "no node"
