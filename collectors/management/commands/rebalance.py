"""`manage.py rebalance`: move shards from one ClickHouse node to another while collection goes on."""

from __future__ import annotations

import signal
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from rich.console import Console

from collectors.leases import owner_name, release_dead
from collectors.movelock import MoveLock
from collectors.moveview import MoveView
from collectors.movinglease import MovingLease
from collectors.rebalancing import Means, move_shard, plan
from dataprovider.clickhouse import Address, ClickHouseError
from dataprovider.clickhouse.cluster import check, tell_newest
from dataprovider.clickhouse.moving import Move
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.placement import Placement
from dataprovider.clickhouse.shards import SHARD_COUNT

#: One statement may copy a whole day of a shard while it is written; any other is short.
PATIENCE, TIMEOUT = 3600.0, 60.0


class Command(BaseCommand):
    requires_system_checks = []
    help = (
        "Move shards between the ClickHouse nodes (CLICKHOUSE_NODES) until each has as many as the others, while "
        "collection goes on. Nothing is deleted on a node before the other has the same trades by their fingerprints; "
        "what was interrupted is finished by the next run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plan", action="store_true", help="only say what lies where and what would be moved")
        parser.add_argument("--shard", type=_shard, help="move only this shard (0 to 15); needs --to")
        parser.add_argument("--to", type=_node, metavar="NODE", help="the node it is to live on (1 is the first)")
        parser.add_argument("--empty", type=_node, metavar="NODE", help="leave no shard on this node")

    def handle(self, *args: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        nodes = [Node(address, pool_size=2, timeout=TIMEOUT) for address in Address.of_nodes(settings.CONFIG)]
        try:
            self._rebalance(nodes, options)
        except ClickHouseError as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            raise CommandError(f"Postgres is away: {str(error).strip().splitlines()[0]}") from None
        except KeyboardInterrupt:
            self.stderr.write("Stopped. The same again goes on where it was.")
            raise SystemExit(130) from None
        finally:
            for node in nodes:
                node.close()

    def _rebalance(self, nodes: list[Node], options: dict[str, Any]) -> None:
        if len(nodes) == 1:
            raise CommandError(
                f"One ClickHouse node is known, at {nodes[0].address}: name several in CLICKHOUSE_NODES to share the "
                "shards, or the DATAPROVIDER_HOME of what runs."
            )
        alone = MoveLock()
        if not options["plan"]:
            alone.take()
        placement = check(nodes)
        moves = self._wanted(placement, len(nodes), options)
        self._say(nodes, placement, moves)
        if options["plan"]:
            return
        # Whoever was interrupted may have told only some of the nodes.
        tell_newest(nodes)
        owner = owner_name()
        release_dead(owner)
        for shard, target in moves:
            patient = Node(nodes[target].address, pool_size=1, timeout=PATIENCE)
            try:
                with MoveView(Console(), shard, f"node {target + 1}") as view:
                    move = Move(nodes, shard, target)
                    move_shard(move, MovingLease(shard, owner), view, Means(alone.check, patient))
            finally:
                patient.close()

    def _wanted(self, placement: Placement, count: int, options: dict[str, Any]) -> list[tuple[int, int]]:
        shard, to, empty = options["shard"], options["to"], options["empty"]
        for number in (to, empty):
            if number is not None and number >= count:
                raise CommandError(f"There are {count} nodes: {number + 1} is none of them.")
        if (shard is None) != (to is None):
            raise CommandError("--shard and --to go together.")
        if shard is not None and empty is not None:
            raise CommandError("Either --shard or --empty.")
        first = []
        if placement.moving is not None:
            # What was interrupted comes first.
            first = [(placement.moving.shard, placement.moving.target)]
            after = list(placement.nodes)
            after[placement.moving.shard] = placement.moving.target
            placement = Placement(placement.version, tuple(after))
        if shard is not None:
            return first + ([(shard, to)] if placement.nodes[shard] != to else [])
        return first + plan(placement, count, () if empty is None else (empty,))

    def _say(self, nodes: list[Node], placement: Placement, moves: list[tuple[int, int]]) -> None:
        for number, node in enumerate(nodes):
            shards = [shard for shard, at in enumerate(placement.nodes) if at == number]
            sizes = [(rows, size) for _, rows, size in node.run("statements", "node_size", {})]
            rows, size = (sum(column) for column in zip(*sizes, strict=True)) if sizes else (0, 0)
            names = ", ".join(map(str, shards)) or "none"
            self.stdout.write(
                f"node {number + 1} ({node.address}): shards {names}; {rows:,} trades, {size / 1e9:.2f} GB"
            )
        for shard, target in moves:
            begun = placement.moving_shard == shard and (shard, target) == moves[0]
            on_its_way = " (on its way, comes first: it is not collected before it has arrived)" if begun else ""
            self.stdout.write(f"shard {shard}: to node {target + 1}{on_its_way}")
        if not moves:
            self.stdout.write("Nothing to move.")


def _shard(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= SHARD_COUNT:
        raise ArgumentTypeError(f"a shard is a number from 0 to {SHARD_COUNT - 1}")
    return int(text)


def _node(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise ArgumentTypeError("a node is a number from 1, in the order of CLICKHOUSE_NODES")
    return int(text) - 1


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
