"""Which node each shard lives on, where there are several: kept on the nodes themselves, read again all the time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.errors import ClickHouseRejected, ClickHouseUnavailable, NodesDisagree, ShardMoving
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.shards import SHARD_COUNT

#: What was read is believed for so long (seconds).
REFRESH_SECONDS = 1.0
#: Who changes the placement gives everybody so long (seconds) to hear of it before anything is taken away where it was.
SETTLE_SECONDS = 3.0
#: How often is looked whether a move is over (seconds).
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Moving:
    """A shard that changes its node at this moment, and the numbers of the node it leaves and of the one it goes to."""

    shard: int
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The number of the node of each shard. Of two placements the one with the higher version holds."""

    version: int
    nodes: tuple[int, ...]
    moving: Moving | None = None

    @property
    def moving_shard(self) -> int | None:
        """The shard that lies on two nodes at this moment."""
        return None if self.moving is None else self.moving.shard

    @classmethod
    def spread(cls, count: int) -> Placement:
        """Shard s on node s mod `count`."""
        return cls(0, tuple(shard % count for shard in range(SHARD_COUNT)))


def read(node: Node) -> Placement | None:
    """What this node says; None when it was never told."""
    rows = node.run("statements", "placement", {})
    if not rows:
        return None
    version, nodes, moving = rows[0]
    return Placement(int(version), tuple(map(int, nodes)), Moving(*map(int, moving)) if moving else None)


def record(nodes: Sequence[Node], placement: Placement) -> None:
    """Tell every node. Raises with some of them told: the same again does no harm."""
    moving = [] if placement.moving is None else list(astuple(placement.moving))
    params = {"version": placement.version, "nodes": list(placement.nodes), "moving": moving}
    for node in nodes:
        node.run("statements", "record_placement", params)


def check_named(placement: Placement, count: int) -> None:
    """Raise NodesDisagree when a shard lives on a node that is none of the `count` that are known."""
    unnamed = [shard for shard, number in enumerate(placement.nodes) if number >= count]
    if placement.moving is not None and max(placement.moving.source, placement.moving.target) >= count:
        unnamed = sorted({*unnamed, placement.moving.shard})
    if unnamed:
        raise NodesDisagree(
            f"The shards {', '.join(map(str, unnamed))} live on a node that CLICKHOUSE_NODES does not name: name all "
            "of them in their order. Before the last one is left out, `manage.py rebalance --empty` moves its shards "
            "away."
        )


def newest(nodes: Sequence[Node]) -> Placement | None:
    """What holds, of all that the nodes say; None when none was ever told. Every node has to answer."""
    return highest([read(node) for node in nodes])


def highest(told: Iterable[Placement | None]) -> Placement | None:
    """The one that holds of those that were told; None when none was."""
    return max((each for each in told if each is not None), key=lambda each: each.version, default=None)


class PlacementReader:
    """The placement as of at most REFRESH_SECONDS ago, for any number of threads. Nothing is asked of a single node.

    It has connections of its own, so that a long query of its user does not hold it up.
    """

    def __init__(self, addresses: Sequence[Address], *, connect_timeout: float, timeout: float) -> None:
        self._nodes = [
            Node(address, pool_size=1, connect_timeout=connect_timeout, timeout=timeout) for address in addresses
        ]
        self._lock = threading.Lock()
        # What was read, and when.
        self._known = (Placement.spread(1), float("inf")) if len(addresses) == 1 else None
        #: The node that answered last.
        self._first = 0

    def current(self) -> Placement:
        """The placement, read anew when it is old. Raises ClickHouseUnavailable when no node answers."""
        known = self._known_for(REFRESH_SECONDS)
        if known is None:
            with self._lock:
                known = self._known_for(REFRESH_SECONDS) or self._read()
        return known

    def last_known(self) -> Placement:
        """What was read last, however long ago."""
        return self._known[0] if self._known is not None else Placement.spread(len(self._nodes))

    def held(self, placement: Placement) -> bool:
        """Whether all that was read under this placement until now was read where it was."""
        known = self._known_for(SETTLE_SECONDS)
        return known is not None and known.version == placement.version

    def fresh(self) -> Placement:
        """The placement as it is now."""
        if len(self._nodes) == 1:
            return self.current()
        with self._lock:
            return self._read()

    def settled(self, seconds: float) -> Placement:
        """The placement as it is now, once no shard is changing its node; waits at most `seconds`, then ShardMoving."""
        deadline = time.monotonic() + seconds
        while True:
            placement = self.fresh()
            if placement.moving is None:
                return placement
            if time.monotonic() + _LOOK_SECONDS > deadline:
                raise ShardMoving(
                    f"Shard {placement.moving.shard} is changing its ClickHouse node at this moment: ask again. When "
                    "nobody moves it any more (`manage.py rebalance` was interrupted), run `manage.py rebalance`."
                )
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Close its connections."""
        for node in self._nodes:
            node.close()

    def _known_for(self, seconds: float) -> Placement | None:
        """What is known, if it was read in the last `seconds`."""
        known = self._known
        return known[0] if known is not None and time.monotonic() - known[1] < seconds else None

    def _read(self) -> Placement:
        began = time.monotonic()
        order = [*range(self._first, len(self._nodes)), *range(self._first)]
        failure: Exception | None = None
        for number in order:
            try:
                found = read(self._nodes[number])
            except ClickHouseUnavailable as error:
                failure = failure or error
                continue
            if found is None:
                raise ClickHouseRejected(
                    f"ClickHouse at {self._nodes[number].address} does not know yet which shards live where: run "
                    "`manage.py migrate_clickhouse`.",
                    0,
                )
            check_named(found, len(self._nodes))
            if self._known is not None and found.version < self._known[0].version:
                # It was away when the others were told.
                continue
            self._first, self._known = number, (found, began)
            return found
        if failure is None:
            raise ShardMoving("No ClickHouse node that answers knows the newest placement: run `manage.py rebalance`.")
        raise failure
