"""The simulated Postgres: leases, gaps, boundaries and the queue, each operation as one transaction that may be lost.

Rows are Django's model objects that are never saved. The rules are those of collectors.leases, collectors.gaps and
integrity.recovery.queue; test_contracts.py has both do the same, so that this model cannot drift.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError

from collectors.gaps import Absent, continues, is_current, uncovered, verdict_on
from collectors.messages import BoundaryFound, GapFound
from collectors.models import GAP_STATES, UNFINISHED, BoundaryVerdict, Gap, GapStatus, Symbol
from dataprovider.clickhouse.shards import shard_of
from tests.simulation.world import World

T = TypeVar("T")
KNOWN = (*UNFINISHED, GapStatus.ABSENT_UPSTREAM)


@dataclass
class Lease:
    """A row of ShardLease."""

    owner: str = ""
    epoch: int = 0
    expires_at: float = -1.0


class Postgres:
    """The rows, and how to reach them."""

    def __init__(self, world: World, shards: Iterable[int], symbols: dict[str, int]) -> None:
        """`symbols`: name -> its shard."""
        self.world = world
        self.down = False
        self.lose_answer = 0.0
        self.leases = {shard: Lease() for shard in shards}
        self.hosts: dict[str, float] = {}
        self.symbols = {name: Symbol(pk=number, name=name) for number, name in enumerate(sorted(symbols), 1)}
        self.wanted = {shard: frozenset(name for name, of in symbols.items() if of == shard) for shard in self.leases}
        self.gaps: dict[int, Gap] = {}
        self.boundaries: list[BoundaryFound] = []
        #: Told of every gap that was closed.
        self.closed: Callable[[Gap], None] = lambda gap: None
        #: Told of every boundary that is written down.
        self.recorded: Callable[[BoundaryFound], None] = lambda boundary: None
        self._numbers = itertools.count(1)

    def ask(self, what: str, work: Callable[[], T]) -> T:
        """One transaction; raises django.db.OperationalError, also when it was committed and the answer lost."""
        self.world.sleep(0.003)
        if self.down or not self.world.reaches("postgres"):
            raise OperationalError("Postgres is away.")
        result = work()
        if self.world.happens(self.lose_answer):
            self.world.fault("Postgres' answer lost", what)
            raise OperationalError("Postgres' answer was lost.")
        return result

    def open_gaps(self, found: list[GapFound]) -> int:
        """As collectors.gaps.open_gaps."""
        return self.ask("open_gaps", lambda: self._open(found)) if found else 0

    def count_open_gaps(self) -> int:
        """As collectors.gaps.count_open_gaps."""
        return self.ask("count_open_gaps", lambda: sum(gap.status in UNFINISHED for gap in self.gaps.values()))

    def lost_beginnings(self, found: Iterable[BoundaryFound]) -> list[GapFound]:
        """As collectors.boundaries.lost_beginnings."""
        firsts = [each for each in found if each.verdict == BoundaryVerdict.FIRST]
        return self.ask("lost_beginnings", lambda: self._lost(firsts)) if firsts else []

    def record_boundaries(self, found: Iterable[BoundaryFound]) -> None:
        """As collectors.boundaries.record_boundaries."""
        each = list(found)
        if each:
            self.ask("record_boundaries", lambda: self._record(each))

    def take_up(self, gaps: Iterable[Gap]) -> list[Gap]:
        """As collectors.gaps.take_up."""
        wanted = [gap for gap in gaps if gap.status != GapStatus.RECOVERING]
        for gap in wanted:
            GAP_STATES.check(gap.status, GapStatus.RECOVERING)
        return [gap for gap in wanted if self.ask("take_up", partial(self.change, gap, GapStatus.RECOVERING))]

    def settle(self, gap: Gap, absent: Iterable[Absent], still_missing: bool) -> bool:
        """As collectors.gaps.settle."""
        parts = list(absent)
        return self.ask("settle", lambda: self._settle(gap, parts, still_missing))

    def change(self, gap: Gap, status: GapStatus) -> bool:
        """One step, if the row has not moved on."""
        GAP_STATES.check(gap.status, status)
        row = self.gaps[gap.pk]
        if (row.status, row.last_id) != (gap.status, gap.last_id):
            return False
        row.status = gap.status = status
        if status not in UNFINISHED:
            self.world.note("gap", str(status), self.name(row), row.first_id, row.last_id)
            self.closed(row)
        return True

    def add(self, **fields: Any) -> Gap:
        """A new row."""
        gap = Gap(pk=next(self._numbers), **fields)
        if gap.first_id > gap.last_id:
            raise IntegrityError("gap_first_before_last")
        self.gaps[gap.pk] = gap
        self.world.note("gap", str(gap.status), self.name(gap), gap.first_id, gap.last_id, str(gap.cause))
        if gap.status not in UNFINISHED:
            self.closed(gap)
        return gap

    def name(self, gap: Gap) -> str:
        """Its symbol's."""
        return gap.symbol.name

    def _record(self, found: list[BoundaryFound]) -> None:
        self.boundaries.extend(found)
        for each in found:
            self.recorded(each)

    def _lost(self, firsts: list[BoundaryFound]) -> list[GapFound]:
        begun: dict[str, int] = {}
        for each in self.boundaries:
            if each.verdict == BoundaryVerdict.FIRST:
                begun[each.symbol] = min(each.first_after, begun.get(each.symbol, each.first_after))
        lost = []
        for each in firsts:
            first_id = begun.get(each.symbol, each.first_after)
            begun[each.symbol] = min(first_id, each.first_after)
            if first_id < each.first_after:
                lost.append(GapFound(each.symbol, first_id, each.first_after - 1, each.cause, epoch=each.epoch))
        return lost

    def _open(self, found: list[GapFound]) -> int:
        known: dict[str, list[tuple[int, int]]] = {}
        for gap in self.gaps.values():
            if gap.status in KNOWN:
                known.setdefault(gap.symbol.name, []).append((gap.first_id, gap.last_id))
        found = [gap for gap in found if is_current(gap, self.leases[shard_of(gap.symbol)].epoch)]
        parts = uncovered([gap for gap in found if gap.symbol in self.symbols], known)
        made = 0
        for part in parts:
            mine = (gap for gap in self.gaps.values() if gap.symbol.name == part.symbol)
            tip = next((gap for gap in mine if continues(gap, part)), None)
            if tip is not None:
                tip.last_id, tip.after_ms = part.last_id, part.after_ms
                self.world.note("gap", "grown", part.symbol, tip.first_id, tip.last_id)
                continue
            made += 1
            self.add(
                symbol=self.symbols[part.symbol],
                first_id=part.first_id,
                last_id=part.last_id,
                before_ms=part.before_ms,
                after_ms=part.after_ms,
                cause=part.cause,
                evidence=part.evidence,
            )
        return made

    def _settle(self, gap: Gap, absent: list[Absent], still_missing: bool) -> bool:
        row = self.gaps[gap.pk]
        if row.status not in UNFINISHED or row.last_id != gap.last_id:
            return False
        gap.status = row.status
        if still_missing:
            return gap.status == GapStatus.RECOVERING and self.change(gap, GapStatus.OPEN)
        status, parts = verdict_on(gap, absent)
        if status == GapStatus.ABSENT_UPSTREAM:
            return self.change(gap, status)
        # The absent parts first: a recovered gap is all there but for them.
        for first, last, evidence in parts:
            self.add(
                symbol=row.symbol,
                first_id=first,
                last_id=last,
                cause=row.cause,
                status=GapStatus.ABSENT_UPSTREAM,
                evidence=dict(evidence),
            )
        return self.change(gap, status)

    def copies(self, gaps: Iterable[Gap]) -> list[Gap]:
        """Rows as a query returns them: objects of the caller's own."""
        return [copy.copy(gap) for gap in gaps]


class ModelLeases:
    """As collectors.leases.Leases."""

    def __init__(self, postgres: Postgres, owner: str, seconds: float) -> None:
        self.owner = owner
        self._postgres = postgres
        self._seconds = seconds

    def join(self, workers: int) -> None:
        self._ask("join", lambda: self._heartbeat())

    def renew(self) -> dict[int, int]:
        self._ask("renew", self._renew)
        return self._ask("renewed", self._mine)

    def leaving(self) -> frozenset[int]:
        return frozenset()

    def share(self) -> int:
        return self._ask("share", self._share)

    def acquire(self, most: int) -> dict[int, int]:
        if most <= 0:
            return {}
        taken = self._ask("acquire", lambda: self._acquire(most))
        return self._ask("acquired", lambda: {each: epoch for each, epoch in self._mine().items() if each in taken})

    def raise_epochs(self, at_least: dict[int, int]) -> dict[int, int]:
        raised: dict[int, int] = {}
        for shard, floor in at_least.items():
            epoch = self._ask("raise_epochs", partial(self._raise, shard, floor))
            if epoch:
                raised[shard] = epoch
        return raised

    def placed(self, worker: int, pid: int, shards: list[int]) -> None:
        """For people to see."""

    def release(self, shards: list[int]) -> None:
        if shards:
            self._ask("release", lambda: self._release(shards))

    def leave(self) -> None:
        self._ask("release", lambda: self._release(list(self._postgres.leases)))
        self._ask("leave", lambda: self._postgres.hosts.pop(self.owner, None))

    def _ask(self, what: str, work: Callable[[], T]) -> T:
        return self._postgres.ask(what, work)

    def _heartbeat(self) -> None:
        self._postgres.hosts[self.owner] = self._postgres.world.now

    def _renew(self) -> None:
        self._heartbeat()
        for lease in self._postgres.leases.values():
            if lease.owner == self.owner:
                lease.expires_at = self._postgres.world.now + self._seconds

    def _mine(self) -> dict[int, int]:
        return {shard: each.epoch for shard, each in self._postgres.leases.items() if each.owner == self.owner}

    def _share(self) -> int:
        now = self._postgres.world.now
        hosts = sum(at >= now - self._seconds for at in self._postgres.hosts.values())
        return -(-len(self._postgres.leases) // max(hosts, 1))

    def _acquire(self, most: int) -> list[int]:
        now = self._postgres.world.now
        free = [shard for shard, each in self._postgres.leases.items() if not each.owner or each.expires_at < now]
        for shard in sorted(free)[:most]:
            lease = self._postgres.leases[shard]
            lease.owner, lease.epoch, lease.expires_at = self.owner, lease.epoch + 1, now + self._seconds
            self._postgres.world.note("lease", shard, self.owner, lease.epoch)
        return sorted(free)[:most]

    def _raise(self, shard: int, floor: int) -> int:
        lease = self._postgres.leases[shard]
        if lease.owner != self.owner:
            return 0
        lease.epoch = max(lease.epoch, floor) + 1
        self._postgres.world.note("lease", shard, self.owner, lease.epoch)
        return lease.epoch

    def _release(self, shards: list[int]) -> None:
        for shard in shards:
            lease = self._postgres.leases[shard]
            if lease.owner == self.owner:
                lease.owner, lease.expires_at = "", -1.0
