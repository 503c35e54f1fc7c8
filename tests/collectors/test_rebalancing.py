"""Which shards move, how their lease is asked back, and what a move does that cannot be finished."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from collectors.books import Answer, Request
from collectors.leases import Leases
from collectors.messages import Assignment
from collectors.models import ShardLease
from collectors.movelock import MoveLock
from collectors.movinglease import MovingLease
from collectors.placing import Placing
from collectors.rebalancing import move_shard, plan
from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable, StaleEpoch
from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.moving import MOVED, Move, MoveRefused
from dataprovider.clickhouse.placement import Moving, Placement
from dataprovider.clickhouse.shards import SHARD_COUNT, shard_of
from tests.clickhouse.moves import rows as rows_in
from tests.clickhouse.moves import until_known
from tests.clickhouse.trades import NEW_YEAR, Row, columns, store
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

SHARD = shard_of("BTCUSDT")
ROWS = [Row(n, NEW_YEAR + n * 1_800_000) for n in range(200)]
HOST, OTHER, MOVER = "host:1:7-aaaaaa", "other:2:7-bbbbbb", "mover:3:7-cccccc"


def placed(*nodes: int) -> Placement:
    return Placement(1, nodes)


def after(placement: Placement, moves: Collection[tuple[int, int]]) -> list[int]:
    nodes = list(placement.nodes)
    for shard, target in moves:
        nodes[shard] = target
    return nodes


@pytest.mark.parametrize("count", [2, 3, 4, 5, 16])
def test_after_the_plan_no_node_has_two_shards_more_than_another(count: int) -> None:
    one = placed(*[0] * SHARD_COUNT)
    moves = plan(one, count)
    shares = Counter(after(one, moves))
    assert max(shares.values()) - min(shares.values()) <= 1
    assert len(shares) == count
    assert len(moves) == SHARD_COUNT - shares[0]
    assert plan(Placement(1, tuple(after(one, moves))), count) == []


def test_from_one_node_to_two_the_odd_shards_move() -> None:
    assert plan(placed(*[0] * SHARD_COUNT), 2) == [(shard, 1) for shard in range(1, SHARD_COUNT, 2)]


def test_a_third_node_takes_a_third_and_nothing_moves_between_the_others() -> None:
    moves = plan(Placement.spread(2), 3)
    assert {target for _, target in moves} == {2}
    assert len(moves) == 5


def test_an_emptied_node_has_nothing_left() -> None:
    moves = plan(Placement.spread(3), 3, empty=(2,))
    assert 2 not in after(Placement.spread(3), moves)
    assert [shard for shard, _ in moves] == [2, 5, 8, 11, 14]


def test_a_shard_that_is_to_move_is_released_by_its_host_and_taken_by_no_other() -> None:
    host, other = Leases(HOST), Leases(OTHER)
    host.join(1)
    before = host.acquire(SHARD_COUNT)
    with MovingLease(SHARD, MOVER) as lease:
        assert lease.take() is None
        assert lease.holder() == HOST
        assert host.leaving() == {SHARD}
        host.release([SHARD])
        other.join(1)
        assert other.acquire(SHARD_COUNT) == {}
        epoch = lease.take()
        assert epoch == before[SHARD] + 1
        assert host.leaving() == frozenset()
        assert SHARD not in host.renew()
    assert other.acquire(SHARD_COUNT) == {SHARD: before[SHARD] + 2}


def test_a_mover_that_was_killed_keeps_nobody_waiting_for_long() -> None:
    Leases(HOST).join(1)
    lease = MovingLease(SHARD, MOVER)
    lease._renew()
    assert lease.take() is not None
    assert SHARD not in Leases(HOST).acquire(SHARD_COUNT)
    past = timedelta(seconds=60)
    ShardLease.objects.filter(shard=SHARD).update(
        moving_until=F("moving_until") - past, expires_at=F("expires_at") - past
    )
    assert SHARD in Leases(HOST).acquire(SHARD_COUNT)


class Worker:
    """A worker as its supervisor sees it."""

    number, alive, pid = 0, True, 11

    def __init__(self) -> None:
        self.held: dict[int, int] = {}
        self.low_epochs: dict[int, int] = {}
        self.told: Assignment | None = None


def test_a_supervisor_lets_a_shard_go_before_it_gives_it_back() -> None:
    worker = Worker()
    placing = Placing([worker])
    placing.take(Request(), Answer({3: 1, 4: 1}, 16, {}, 0))
    ((_, worker.told),) = placing.orders()
    worker.held = {3: 1, 4: 1}
    placing.take(Request(), Answer({3: 1, 4: 1}, 16, {}, 0, frozenset({4})))
    ((_, worker.told),) = placing.orders()
    assert worker.told is not None
    assert worker.told.shards.keys() == {3}
    # It still has trades of it to store.
    assert placing.request().release == []
    worker.held = {3: 1}
    assert placing.request().release == [4]


class Steps:
    """A view that does something when a step is told."""

    def __init__(self, do: dict[str, object]) -> None:
        self.told: list[str] = []
        self._do = do

    def step(self, text: str) -> None:
        self.told.append(text)
        work = self._do.get(text)
        if callable(work):
            work()

    def copying(self, left: int, total: int) -> None:
        assert 0 <= left <= total


def rows(two: ClickHouse, number: int) -> int:
    return int(two.query_node(number, "total_rows")[0][0])


def test_a_whole_move_leaves_the_lease_free_and_the_trades_on_the_other_node(two: ClickHouse) -> None:
    store(two, ROWS)
    source, target = SHARD % 2, 1 - SHARD % 2
    steps = Steps({})
    move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), steps)
    assert (rows(two, source), rows(two, target)) == (0, 200)
    assert steps.told[-1] == "done"
    lease = ShardLease.objects.get(shard=SHARD)
    assert (lease.owner, lease.moving_until, lease.epoch) == ("", None, 1)


def test_trades_that_came_after_the_copy_come_with_the_closing(two: ClickHouse) -> None:
    store(two, ROWS)
    target = 1 - SHARD % 2
    late = [Row(500, NEW_YEAR + 90_000_000_000)]
    steps = Steps({"asks its owner to release it": lambda: store(two, late)})
    move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), steps)
    assert rows(two, target) == 201


def test_a_failure_before_the_shard_is_given_up_leaves_it_where_it_was(two: ClickHouse) -> None:
    store(two, ROWS)
    source, target = SHARD % 2, 1 - SHARD % 2

    def fail() -> None:
        raise KeyboardInterrupt

    for step in ("closed", "everything is on both nodes"):
        with pytest.raises(KeyboardInterrupt):
            move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), Steps({step: fail}))
        epoch = ShardLease.objects.get(shard=SHARD).epoch
        two.insert_trades(columns([Row(1000 + epoch)]), token=step, shard=SHARD, epoch=epoch, query_id="")
        assert int(two.query("total_rows")[0][0]) == rows(two, source)
    move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), Steps({}))
    assert (rows(two, source), rows(two, target)) == (0, 202)


class LostAnswer(Move):
    """Gives the shard up, and does not hear of it."""

    def give_up(self, epoch: int) -> None:
        super().give_up(epoch)
        raise ClickHouseUnavailable("ClickHouse broke off in the middle of an answer.")


def test_a_shard_that_was_given_up_unheard_is_not_called_back(two: ClickHouse) -> None:
    store(two, ROWS)
    source, target = SHARD % 2, 1 - SHARD % 2
    with pytest.raises(ClickHouseUnavailable):
        move_shard(LostAnswer(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), Steps({}))
    placement = placements.newest(two.nodes)
    assert placement is not None
    assert placement.moving == Moving(SHARD, source, target)
    move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), Steps({}))
    assert (rows(two, source), rows(two, target)) == (0, 200)


def test_what_has_left_is_kept_when_a_trade_is_lost_where_it_went(two: ClickHouse) -> None:
    store(two, ROWS)
    source, target = SHARD % 2, 1 - SHARD % 2
    lose = "ALTER TABLE trades_local DELETE WHERE aggregate_id = 7 SETTINGS mutations_sync = 1"
    steps = Steps({"read where it is now": lambda: two.nodes[target].run_text(lose)})
    with pytest.raises(MoveRefused, match="another fingerprint"):
        move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), steps)
    assert rows_in(two, source, MOVED) == 200
    assert (rows(two, source), rows(two, target)) == (0, 199)


def test_a_mover_that_slept_through_its_lease_gives_nothing_up(two: ClickHouse) -> None:
    store(two, ROWS)
    source, target = SHARD % 2, 1 - SHARD % 2

    def another_owner() -> None:
        ShardLease.objects.filter(shard=SHARD).update(owner=HOST, epoch=F("epoch") + 1)
        two.raise_epoch(SHARD, 2)
        two.insert_trades(columns([Row(700)]), token="a", shard=SHARD, epoch=2, query_id="")

    steps = Steps({"everything is on both nodes": another_owner})
    with pytest.raises(MoveRefused, match="another owner"):
        move_shard(Move(two.nodes, SHARD, target), MovingLease(SHARD, MOVER), steps)
    assert rows(two, source) == 201
    assert two.epoch_of(SHARD) == 2
    with pytest.raises(StaleEpoch):
        two.insert_trades(columns([Row(701)]), token="b", shard=SHARD, epoch=1, query_id="")
    assert ShardLease.objects.get(shard=SHARD).owner == HOST


def test_a_shard_whose_epoch_clickhouse_knows_better_is_closed_with_a_higher_one(two: ClickHouse) -> None:
    """Postgres was restored from a backup."""
    store(two, ROWS)
    two.raise_epoch(SHARD, 57)
    move_shard(Move(two.nodes, SHARD, 1 - SHARD % 2), MovingLease(SHARD, MOVER), Steps({}))
    assert ShardLease.objects.get(shard=SHARD).epoch == 58
    until_known(two)
    assert two.epoch_of(SHARD) == 58


def test_one_process_at_a_time_moves_shards_and_notices_that_its_lock_went() -> None:
    taken, done = threading.Event(), threading.Event()

    def other() -> None:
        MoveLock().take()
        taken.set()
        done.wait(10)
        connection.close()

    thread = threading.Thread(target=other)
    thread.start()
    assert taken.wait(10)
    with pytest.raises(MoveRefused, match="Somebody else"):
        MoveLock().take()
    done.set()
    thread.join()
    lock = MoveLock()
    lock.take()
    lock.check()
    connection.close()
    with pytest.raises(MoveRefused, match="Postgres was away"):
        lock.check()


def test_while_the_owner_keeps_the_shard_the_move_waits_and_then_says_who_it_is(
    two: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from collectors import rebalancing

    monkeypatch.setattr(rebalancing, "RELEASE_SECONDS", 0.5)
    host = Leases(HOST)
    host.join(1)
    host.acquire(SHARD_COUNT)
    with pytest.raises(MoveRefused, match=f"{HOST} does not release"):
        move_shard(Move(two.nodes, SHARD, 1 - SHARD % 2), MovingLease(SHARD, MOVER), Steps({}))
    assert host.leaving() == frozenset()


def test_the_lease_is_kept_for_as_long_as_the_move_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    from collectors import movinglease

    monkeypatch.setattr(movinglease, "KEEP_SECONDS", 0.05)
    with MovingLease(SHARD, MOVER) as lease:
        assert lease.take() == 1
        first = ShardLease.objects.get(shard=SHARD).expires_at
        later = ShardLease.objects.filter(shard=SHARD, expires_at__gt=first)
        wait_until(later.exists, 5, "the lease to be renewed")
    assert "moving-lease" not in {thread.name for thread in threading.enumerate()}
    connection.close()
