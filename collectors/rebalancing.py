"""Which shards are to live on other ClickHouse nodes, and how one gets there while everything else goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from collectors.movinglease import MovingLease
from dataprovider.clickhouse.moving import Day, Move, MoveRefused
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.placement import SETTLE_SECONDS, Placement

#: The shard is closed once no more trades than this are left to copy, or after so many rounds.
FEW_TRADES, ROUNDS = 200_000, 5
#: How long its owner may take to release it (seconds).
RELEASE_SECONDS = 60.0
_LOOK_SECONDS = 0.2


class View(Protocol):
    """Who is told how far it is."""

    def step(self, text: str) -> None:
        """Something is done, or begins."""

    def copying(self, left: int, total: int) -> None:
        """Trades to be copied in this round."""


def plan(placement: Placement, nodes: int, empty: Collection[int] = ()) -> list[tuple[int, int]]:
    """(shard, number of the node it is to move to): then no node has two shards more than another, and those of `empty`
    none. Moves as few as can be; where there is a choice, shard s goes to node s mod N.
    """
    wanted = [number for number in range(nodes) if number not in empty]
    held = {number: [s for s, node in enumerate(placement.nodes) if node == number] for number in range(nodes)}
    moves: list[tuple[int, int]] = []
    while True:
        overfull = [number for number in empty if held[number]] or [max(wanted, key=lambda each: len(held[each]))]
        source, target = overfull[0], min(wanted, key=lambda each: len(held[each]))
        if source in wanted and len(held[source]) - len(held[target]) < 2:
            return sorted(moves)
        shard = next((s for s in held[source] if s % nodes == target), held[source][-1])
        held[source].remove(shard)
        held[target].append(shard)
        moves.append((shard, target))


@dataclass(frozen=True, slots=True)
class Means:
    """What a move is carried out with. `alone` raises MoveRefused when somebody else may move shards now. `patient`: a
    client of the node that gets the shard, for statements that may take an hour; without it none may."""

    alone: Callable[[], None] = lambda: None
    patient: Node | None = None
    wait: Callable[[float], None] = time.sleep


def move_shard(move: Move, lease: MovingLease, view: View, means: Means | None = None) -> None:
    """Move one shard. Whatever ends it in the middle, the same again begins where it was.

    Until it is given up where it was, a failure leaves it there, collected as before. Raises MoveRefused and what the
    two engines raise.
    """
    means = means or Means()
    if not move.is_given_up:
        if move.placement.moving is not None:
            move.withdraw()
        move.check()
        _copy(move, view, means)
    view.step("asks its owner to release it")
    with lease:
        epoch = _taken(lease, means)
        means.alone()
        if not move.is_given_up:
            # ClickHouse may know a later epoch than Postgres does.
            if move.epoch >= epoch:
                epoch = lease.raise_above(move.epoch)
            _close(move, epoch, view)
        view.step("given up where it was")
        move.arrive(epoch)
        view.step("arrived")
        move.switch()
        view.step("read where it is now")
        means.wait(SETTLE_SECONDS + 1.0)
        move.leave()
        different = move.differing()
        if not different:
            move.forget()
        move.finish()
    if different:
        raise MoveRefused(
            f"Shard {move.shard} moved, but {len(different)} of its days have another fingerprint than where it was. "
            "Its trades there are kept in the table trades_moved, and `manage.py verify` says what is stored."
        )
    view.step("done")


def _copy(move: Move, view: View, means: Means) -> None:
    """Bring over what there is, again and again until little is left."""
    for _ in range(ROUNDS):
        missing = move.missing()
        if sum(abs(day.rows) for day in missing) <= FEW_TRADES:
            break
        _copy_days(move, missing, view, means)
    view.step("copied but for its newest trades")


def _copy_days(move: Move, days: list[Day], view: View, means: Means | None = None) -> None:
    left = total = sum(max(day.rows, 0) for day in days)
    for day in days:
        view.copying(left, total)
        if means is not None:
            means.alone()
        move.copy(day, None if means is None else means.patient)
        left -= max(day.rows, 0)
    view.copying(left, total)


def _taken(lease: MovingLease, means: Means) -> int:
    deadline = time.monotonic() + RELEASE_SECONDS
    while (epoch := lease.take()) is None:
        if time.monotonic() > deadline:
            raise MoveRefused(
                f"{lease.holder() or 'Nobody'} does not release the shard: its worker cannot store what it has "
                "received. Look at its log, then run the same again."
            )
        means.wait(_LOOK_SECONDS)
    return epoch


def _close(move: Move, epoch: int, view: View) -> None:
    move.close(epoch)
    try:
        view.step("closed")
        for _ in range(ROUNDS):
            missing = move.missing()
            if not missing:
                break
            _copy_days(move, missing, view)
        else:
            raise MoveRefused(
                f"Shard {move.shard} stays where it is: {len(missing)} of its days do not become the same on the other "
                "node. `manage.py verify` says whether trades are stored twice."
            )
        move.announce()
        view.step("everything is on both nodes")
        move.give_up(epoch)
    except BaseException:
        # Where it was, it can be collected again. What cannot be undone now is undone by the next run.
        if not move.is_given_up:
            move.reopen(epoch)
            if move.placement.moving is not None:
                move.withdraw()
        raise
