"""A shard moves from node to node: every step, interrupted after any of them, and what may not come between."""

from __future__ import annotations

import pytest

from dataprovider.clickhouse import (
    ClickHouse,
    NodesDisagree,
    StaleEpoch,
    migrate,
)
from dataprovider.clickhouse.moving import ARRIVING, LOCAL, MOVED, Move, MoveRefused
from tests.clickhouse.inserts import begin_insert
from tests.clickhouse.moves import (
    DAY,
    SHARD,
    SOURCE,
    SYMBOL,
    TARGET,
    complete,
    copy,
    copy_and_give_up,
    finish,
    rows,
    until_known,
)
from tests.clickhouse.trades import NEW_YEAR, Row, columns, store, stored

LOSE = "ALTER TABLE trades_local DELETE WHERE symbol = 'BTCUSDT' AND aggregate_id"


def test_a_moved_shard_is_read_and_written_where_it_went(two: ClickHouse, move: Move) -> None:
    before = two.query("trades_from_id", symbol=SYMBOL, from_id=0, limit=1000)
    complete(move, 5)
    until_known(two)
    assert two.query("trades_from_id", symbol=SYMBOL, from_id=0, limit=1000) == before
    assert (rows(two, SOURCE, LOCAL), rows(two, TARGET, LOCAL)) == (0, 300)
    assert rows(two, TARGET, ARRIVING) == rows(two, SOURCE, MOVED) == 0
    assert two.epoch_of(SHARD) == 5
    with pytest.raises(StaleEpoch):
        two.insert_trades(columns([Row(400)]), token="a", shard=SHARD, epoch=4, query_id="")
    two.insert_trades(columns([Row(400)]), token="a", shard=SHARD, epoch=5, query_id="")
    assert stored(two) == 601
    assert migrate(two.addresses) == []


def test_it_can_move_back(two: ClickHouse, move: Move) -> None:
    complete(move, 5)
    back = Move(two.nodes, SHARD, SOURCE)
    back.check()
    complete(back, 6)
    assert (rows(two, SOURCE, LOCAL), rows(two, TARGET, LOCAL)) == (300, 0)
    until_known(two)
    assert two.epoch_of(SHARD) == 6


def test_what_comes_while_it_is_copied_comes_too_and_nothing_comes_twice(two: ClickHouse, move: Move) -> None:
    copy(move)
    assert move.missing() == []
    # An older day gets a trade, and there is a new day.
    more = [Row(3, NEW_YEAR + DAY // 2 + 1, first=9, last=9), Row(1000, NEW_YEAR + 200 * DAY)]
    store(two, more)
    assert [day.rows for day in move.missing()] == [1, 1]
    complete(move, 5)
    assert rows(two, TARGET, LOCAL) == 302
    assert stored(two) == 602


def test_an_interrupted_copy_goes_on_with_the_rest(two: ClickHouse, move: Move) -> None:
    days = move.missing()
    for day in days[:2]:
        move.copy(day)
    again = Move(two.nodes, SHARD, TARGET)
    assert again.missing() == days[2:]


def test_what_arrived_wrong_is_brought_anew(two: ClickHouse, move: Move) -> None:
    copy(move)
    two.nodes[TARGET].run_text("INSERT INTO trades_arriving SELECT * FROM trades_arriving LIMIT 1")
    (wrong,) = move.missing()
    assert wrong.rows < 0
    move.copy(wrong)
    copy(move)
    assert move.missing() == []
    complete(move, 5)
    assert rows(two, TARGET, LOCAL) == 300


def test_as_many_trades_that_are_others_are_brought_anew(two: ClickHouse, move: Move) -> None:
    copy(move)
    node = two.nodes[TARGET]
    node.run_text(
        "INSERT INTO trades_arriving SELECT * REPLACE (aggregate_id + 100000 AS aggregate_id) FROM "
        "(SELECT * FROM trades_arriving WHERE aggregate_id = 3)"
    )
    node.run_text("ALTER TABLE trades_arriving DELETE WHERE aggregate_id = 3 SETTINGS mutations_sync = 2")
    (wrong,) = move.missing()
    assert wrong.rows == 0
    move.copy(wrong)
    copy(move)
    assert move.missing() == []
    complete(move, 5)
    assert rows(two, TARGET, LOCAL) == 300
    assert two.query("trades_from_id", symbol=SYMBOL, from_id=100_000, limit=1) == []


def test_a_closed_shard_takes_no_trade_from_anybody_until_a_later_owner_opens_it(two: ClickHouse, move: Move) -> None:
    two.raise_epoch(SHARD, 4)
    move.close(5)
    # A recovery that asks now, and one that asked before.
    assert two.epoch_of(SHARD) == 5
    for epoch in (4, 5):
        with pytest.raises(StaleEpoch):
            two.insert_repair(columns([Row(400)]), token="r", shard=SHARD, epoch=epoch, claim=1, part=1)
    with pytest.raises(StaleEpoch):
        two.raise_epoch(SHARD, 5)
    two.raise_epoch(SHARD, 6)
    two.insert_trades(columns([Row(400)]), token="a", shard=SHARD, epoch=6, query_id="")
    # Who closed it slept too long.
    move.announce()
    with pytest.raises(MoveRefused, match="another owner"):
        move.give_up(5)
    assert not move.is_given_up


def test_an_older_owner_does_not_open_what_a_later_one_closed(two: ClickHouse, move: Move) -> None:
    move.close(5)
    with pytest.raises(StaleEpoch):
        two.raise_epoch(SHARD, 4)
    with pytest.raises(StaleEpoch):
        two.insert_trades(columns([Row(400)]), token="a", shard=SHARD, epoch=4, query_id="")


@pytest.mark.usefixtures("move")
def test_when_a_shard_is_closed_what_was_being_written_is_over(two: ClickHouse) -> None:
    asleep = begin_insert(two, SHARD, epoch=4)
    # ClickHouse needs five seconds to end it.
    patient = ClickHouse(two.addresses, timeout=30)
    Move(patient.nodes, SHARD, TARGET).close(5)
    assert patient.kill_inserts(SHARD, 5) == [], "an insert was still under way after the shard was closed"
    asleep.disconnect()
    patient.close()


@pytest.mark.parametrize("epoch", [5, 7])
def test_who_slept_through_a_takeover_does_not_close_the_new_owners_shard(
    two: ClickHouse, move: Move, epoch: int
) -> None:
    two.raise_epoch(SHARD, 7)
    with pytest.raises(MoveRefused, match="another owner"):
        move.close(epoch)
    two.insert_trades(columns([Row(400)]), token="a", shard=SHARD, epoch=7, query_id="")
    assert stored(two) == 601


def test_a_move_that_is_called_off_leaves_the_shard_where_it_was(two: ClickHouse, move: Move) -> None:
    copy(move)
    move.close(5)
    move.announce()
    move.withdraw()
    move.reopen(5)
    two.insert_trades(columns([Row(400)]), token="a", shard=SHARD, epoch=5, query_id="")
    assert rows(two, SOURCE, LOCAL) == 301
    assert stored(two) == 601


@pytest.mark.parametrize("steps", range(5))
def test_a_move_that_was_given_up_is_finished_by_another(two: ClickHouse, move: Move, steps: int) -> None:
    copy_and_give_up(move, 5)
    for step in [lambda: move.arrive(5), move.switch, move.leave, move.forget][:steps]:
        step()
    # The services may start anew in between.
    migrate(two.addresses)
    with pytest.raises(MoveRefused, match="comes first"):
        Move(two.nodes, (SHARD + 1) % 16, TARGET)
    again = Move(two.nodes, SHARD, TARGET)
    assert again.is_given_up
    finish(again, 6)
    assert (rows(two, SOURCE, LOCAL), rows(two, TARGET, LOCAL)) == (0, 300)
    until_known(two)
    assert two.epoch_of(SHARD) == 6
    assert stored(two) == 600


def test_who_slept_while_another_moved_the_shard_takes_nothing_out_of_the_table(two: ClickHouse, move: Move) -> None:
    copy_and_give_up(move, 5)
    move.arrive(5)
    move.switch()
    finish(Move(two.nodes, SHARD, TARGET), 5)
    complete(Move(two.nodes, SHARD, SOURCE), 6)
    with pytest.raises(MoveRefused, match="theirs now"):
        move.leave()
    assert (rows(two, SOURCE, LOCAL), rows(two, SOURCE, MOVED)) == (300, 0)


def test_what_was_written_where_it_went_before_a_move_was_finished_is_no_difference(
    two: ClickHouse, move: Move
) -> None:
    copy_and_give_up(move, 5)
    move.arrive(5)
    move.switch()
    until_known(two)
    two.raise_epoch(SHARD, 6)
    # Its mover was killed, and the next owner is quick: a day that moved gets another trade.
    two.insert_trades(columns([Row(300, NEW_YEAR + 10)]), token="a", shard=SHARD, epoch=6, query_id="")
    again = Move(two.nodes, SHARD, TARGET)
    again.leave()
    assert again.differing() == []
    # And one that was lost is one.
    two.nodes[TARGET].run_text(f"{LOSE} = 7 SETTINGS mutations_sync = 1")
    assert [day.day * 1000 for day in again.differing()] == [NEW_YEAR]
    again.finish()


@pytest.mark.parametrize("left", ["both tables", "a part of it in its place"])
def test_a_server_that_was_killed_while_a_month_arrived_ends_with_every_trade_once(
    two: ClickHouse, move: Move, left: str
) -> None:
    copy_and_give_up(move, 5)
    target = two.nodes[TARGET]
    target.run("statements", "arrive", {"month": 202401, "shard": SHARD})
    if left == "both tables":
        target.run_text("INSERT INTO trades_arriving SELECT * FROM trades_local WHERE toYYYYMM(timestamp) = 202401")
    else:
        target.run_text(f"{LOSE} < 7 SETTINGS mutations_sync = 1")
    again = Move(two.nodes, SHARD, TARGET)
    finish(again, 6)
    assert rows(two, TARGET, LOCAL) == 300
    assert stored(two) == 600
    assert two.query("check_days", symbols=[SYMBOL], since=0, until=2**31)[0][2] == 50


def test_a_shard_that_moved_stays_open_where_it_went_when_services_start_anew(two: ClickHouse, move: Move) -> None:
    complete(move, 5)
    for _ in range(2):
        migrate(two.addresses)
    until_known(two)
    two.raise_epoch(SHARD, 6)
    assert two.epoch_of(SHARD) == 6


def test_trades_that_nobody_expected_on_the_other_node_stop_a_move(two: ClickHouse, move: Move) -> None:
    move.check()
    copy(move)
    two.nodes[TARGET].run("statements", "arrive", {"month": 202401, "shard": SHARD})
    with pytest.raises(NodesDisagree, match=f"holds trades of shard {SHARD}"):
        move.check()
