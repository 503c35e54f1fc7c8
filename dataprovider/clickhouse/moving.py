"""One shard on its way to another node: copied while it is written, compared, and switched in a moment.

The trades of a shard lie in `trades_local` of its node. What arrives is gathered in `trades_arriving` of the other node
and what has left waits in `trades_moved` of the first, neither of which is read by anybody else; whole partitions go
from table to table without being copied. Nothing is taken from the first node before the second has the same days with
the same fingerprints and nobody can write the shard on the first any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.cluster import tell_newest
from dataprovider.clickhouse.errors import ClickHouseError, NodesDisagree
from dataprovider.clickhouse.fence import ELSEWHERE, HELD, epoch_in
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.placement import Moving, Placement

LOCAL, ARRIVING, MOVED = "trades_local", "trades_arriving", "trades_moved"
#: What lies on the other node and is not as it was is brought anew so often.
_ATTEMPTS = 3


class MoveRefused(ClickHouseError):
    """The move cannot go on; nothing is lost, and the sentence says what is the matter."""


@dataclass(frozen=True, slots=True)
class Day:
    """Trades of one day: `day` in seconds since 1970, their number, and the sum of their hashes."""

    day: int
    rows: int
    fingerprint: int


def _month(day: int) -> int:
    """The partition (YYYYMM) of a day."""
    at = datetime.fromtimestamp(day, UTC)
    return at.year * 100 + at.month


class Move:
    """The steps of one move, each of which may be done again. All raise the client's errors."""

    def __init__(self, nodes: Sequence[Node], shard: int, target: int) -> None:
        """`nodes` are all of them, in their order; `target` is the number of the one that gets the shard.

        What an earlier move told only some of them is told to all first. Raises MoveRefused when another move, or one
        to another node, is to be finished first.
        """
        self.placement = tell_newest(nodes)
        placements.check_named(self.placement, len(nodes))
        self._nodes = nodes
        self.shard = shard
        self.moving = self.placement.moving or Moving(shard, self.placement.nodes[shard], target)
        if (self.moving.shard, self.moving.target) != (shard, target):
            raise MoveRefused(f"Shard {self.moving.shard} is not where it was to be moved yet: that comes first.")
        if self.moving.source == target:
            raise MoveRefused(f"Shard {shard} lives there already.")
        self._source, self._target = nodes[self.moving.source], nodes[target]
        for node, table in ((self._target, ARRIVING), (self._source, MOVED)):
            _make_staging(node, table)

    @property
    def is_given_up(self) -> bool:
        """Whether the shard was given up where it was: such a move can only go on."""
        return self.placement.moving is not None and self._fence(self._source) == ELSEWHERE

    @property
    def epoch(self) -> int:
        """The epoch of the shard's last owner where it is; who closes it needs a higher one."""
        return epoch_in(self._fence(self._source), self.shard)

    def missing(self) -> list[Day]:
        """The days, ascending, that have not arrived as they are; `rows`: how many trades are still to be copied."""
        return self._difference(self._days(self._target, ARRIVING))

    def copy(self, day: Day, target: Node | None = None) -> None:
        """Copy what of a day has not arrived. What is interrupted goes on with the rest.

        `target`: a client of the same node with more patience.
        """
        if day.rows <= 0:
            # More than there is, or something else: the month is begun anew.
            self._drop(self._target, ARRIVING, _month(day.day))
        params = {"shard": self.shard, "day": day.day, "source": self.moving.source + 1}
        (target or self._target).run("statements", "copy_day", params)

    def close(self, epoch: int) -> None:
        """As the shard's owner under `epoch`: from now on nobody writes it, and what was being written is over."""
        shard = {"shard": self.shard}
        if self.epoch >= epoch:
            raise MoveRefused(f"Shard {self.shard} was taken by another owner meanwhile: run the same again.")
        self._source.run("statements", "raise_epoch", {**shard, "epoch": HELD + epoch, "held": 0})
        if self._fence(self._source) != HELD + epoch:
            raise MoveRefused(f"Shard {self.shard} was taken by another owner meanwhile: run the same again.")
        self._source.run("statements", "kill_inserts", {**shard, "below_epoch": HELD + epoch})

    def reopen(self, epoch: int) -> None:
        """Undo `close`: the shard stays where it is."""
        params = {"shard": self.shard, "before": HELD + epoch, "after": epoch}
        self._source.run("statements", "change_epoch", params)

    def announce(self) -> None:
        """Tell everybody that the shard changes its node now: who reads all nodes waits until `finish`."""
        self._record(replace(self.placement, moving=self.moving))

    def withdraw(self) -> None:
        """Undo `announce`."""
        self._record(replace(self.placement, moving=None))

    def give_up(self, epoch: int) -> None:
        """The point of no return: it will live on the other node. Raises MoveRefused when another owner has it."""
        params = {"shard": self.shard, "before": HELD + epoch, "after": ELSEWHERE}
        self._source.run("statements", "change_epoch", params)
        if not self.is_given_up:
            raise MoveRefused(f"Shard {self.shard} was taken by another owner meanwhile: run the same again.")

    def arrive(self, epoch: int) -> None:
        """Put what has arrived in its place on the other node; the next owner needs an epoch above `epoch` there.

        Nobody writes the shard anywhere now, so its days are to be the very same. A server that was killed while it put
        a month in its place may have it in both tables, or in parts: such a month is brought anew.
        """
        if self.placement.nodes[self.shard] != self.moving.target:
            for _ in range(_ATTEMPTS):
                self._put_in_place()
                wrong = {_month(day.day) for day in self._difference(self._days(self._target, LOCAL))}
                if not wrong:
                    break
                for month in wrong:
                    self._drop(self._target, LOCAL, month)
            else:
                raise MoveRefused(
                    f"Shard {self.shard} does not become the same on ClickHouse at {self._target.address}: nothing was "
                    "deleted where it was; look at that server's log and disk, then run the same again."
                )
        fence = self._fence(self._target)
        if fence == ELSEWHERE or fence < epoch:
            params = {"shard": self.shard, "before": fence, "after": epoch}
            self._target.run("statements", "change_epoch", params)

    def switch(self) -> None:
        """From now on everybody reads it there; wait SETTLE_SECONDS until they do."""
        nodes = list(self.placement.nodes)
        nodes[self.shard] = self.moving.target
        self._record(replace(self.placement, nodes=tuple(nodes), moving=self.moving))
        for node in self._nodes:
            node.run("statements", "create_trades", {"nodes": nodes})

    def leave(self) -> None:
        """Take the trades out of the table where the shard was; they are kept."""
        holding = placements.newest(self._nodes)
        if holding != self.placement or self._fence(self._source) != ELSEWHERE:
            raise MoveRefused(f"Somebody else went on with the move of shard {self.shard}: it is theirs now.")
        for month in self._months(self._source, LOCAL):
            self._source.run("statements", "leave", {"month": month, "shard": self.shard})

    def finish(self) -> None:
        """Tell everybody that it is over."""
        self._record(replace(self.placement, moving=None))

    def differing(self) -> list[Day]:
        """The days of what has left of which the other node lacks trades. It may have more of a day by now."""
        there = set(self._days(self._target, LOCAL))
        return [day for day in self._days(self._source, MOVED) if day not in there and self._lacks(day)]

    def forget(self) -> None:
        """Delete what has left. Only after `differing` found nothing."""
        for month in self._months(self._source, MOVED):
            self._drop(self._source, MOVED, month)

    def check(self) -> None:
        """Raise NodesDisagree when trades of the shard lie where an earlier move or somebody else left them."""
        for node, table in ((self._target, LOCAL), (self._source, MOVED)):
            if self._months(node, table):
                raise NodesDisagree(
                    f"The table {table} of ClickHouse at {node.address} holds trades of shard {self.shard}, which "
                    f"lives at {self._source.address}: it cannot move before somebody has looked why."
                )

    def _put_in_place(self) -> None:
        """Every month of the shard out of `trades_arriving`, brought anew where it is in its place already."""
        for month in set(self._months(self._target, ARRIVING)) & set(self._months(self._target, LOCAL)):
            self._drop(self._target, ARRIVING, month)
            self._drop(self._target, LOCAL, month)
        here = [*self._days(self._target, ARRIVING), *self._days(self._target, LOCAL)]
        for day in self._difference(here):
            self.copy(day)
        for month in self._months(self._target, ARRIVING):
            self._target.run("statements", "arrive", {"month": month, "shard": self.shard})

    def _difference(self, there: Sequence[Day]) -> list[Day]:
        """The days of the source that are not the same `there`, with the number of trades that lack."""
        arrived = {each.day: each for each in there}
        missing = []
        for day in self._days(self._source, LOCAL):
            here = arrived.get(day.day, Day(day.day, 0, 0))
            if here != day:
                missing.append(replace(day, rows=day.rows - here.rows))
        return missing

    def _lacks(self, day: Day) -> bool:
        params = {"shard": self.shard, "day": day.day}
        return bool(self._source.run("statements", "not_there", params)[0][0])

    def _record(self, placement: Placement) -> None:
        # Whoever was told already keeps it, whatever becomes of the others: the next one is a later one.
        self.placement = replace(placement, version=self.placement.version + 1)
        placements.record(self._nodes, self.placement)

    def _days(self, node: Node, table: str) -> list[Day]:
        rows = node.run("queries", "shard_days", {"shard": self.shard, "trades": table})
        return [Day(int(day), int(count), int(fingerprint)) for day, count, fingerprint in rows]

    def _months(self, node: Node, table: str) -> list[int]:
        params = {"shard": self.shard, "table": table}
        return [int(month) for (month,) in node.run("statements", "partitions_of", params)]

    def _drop(self, node: Node, table: str, month: int) -> None:
        node.run("statements", "drop_partition", {"table": table, "month": month, "shard": self.shard})

    def _fence(self, node: Node) -> int:
        return int(node.run("statements", "epoch_of", {"shard": self.shard})[0][0])


def _make_staging(node: Node, table: str) -> None:
    """The table with the structure that trades_local has today, unless there are trades in it."""
    if node.run("statements", "rows_of", {"table": table}) == [(0,)]:
        node.run("statements", "drop_staging", {"table": table})
    node.run("statements", "create_staging", {"table": table})
    node.run("statements", "sync_staging", {"table": table})
