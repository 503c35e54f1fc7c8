"""Who reads while a shard moves is answered as before the move or as after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from dataprovider.clickhouse import (
    ClickHouse,
    ShardMoving,
)
from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.moving import Move
from dataprovider.clickhouse.node import Node
from dataprovider.clickhouse.sql import Folder
from tests.clickhouse.moves import SHARD, SOURCE, SYMBOL, TARGET, complete, copy, copy_and_give_up, finish, leave
from tests.clickhouse.trades import stored
from tests.waiting import wait_until


def test_the_table_of_all_nodes_looks_for_a_moved_symbol_where_it_is(two: ClickHouse, move: Move) -> None:
    complete(move, 5)
    for number, node in enumerate(two.nodes):
        with node._pool.lend() as client:
            plan = client.execute(f"EXPLAIN SELECT max(price) FROM trades WHERE symbol = '{SYMBOL}'")  # noqa: S608
            found = client.execute(f"SELECT count() FROM trades WHERE symbol = '{SYMBOL}'")  # noqa: S608
        assert ("ReadFromRemote" in str(plan)) == (number != TARGET)
        assert found == [(300,)]


def test_from_giving_up_to_the_end_a_writer_waits_and_a_reader_of_one_symbol_does_not(
    two: ClickHouse, move: Move
) -> None:
    copy_and_give_up(move, 5)
    with pytest.raises(ShardMoving):
        two.epoch_of(SHARD)
    with pytest.raises(ShardMoving):
        two.raise_epoch(SHARD, 99)
    steps: list[Callable[[], None]] = [
        lambda: move.arrive(5),
        move.switch,
        lambda: time.sleep(placements.SETTLE_SECONDS),
        move.leave,
    ]
    for step in steps:
        step()
        assert len(two.query("trades_from_id", symbol=SYMBOL, from_id=0, limit=1000)) == 300
    move.finish()


def test_who_reads_all_nodes_waits_for_the_end_of_a_move(two: ClickHouse, move: Move) -> None:
    copy(move)
    move.close(5)
    move.announce()
    quick = ClickHouse(two.addresses, timeout=0.5)
    with pytest.raises(ShardMoving, match=f"Shard {SHARD} is changing its ClickHouse node"):
        stored(quick)
    quick.close()
    answers: list[int] = []
    reader = threading.Thread(target=lambda: answers.append(stored(two)))
    reader.start()
    move.give_up(5)
    finish(move, 5)
    reader.join(5)
    assert answers == [600]


@pytest.fixture
def counting(two: ClickHouse) -> Iterator[list[int]]:
    """What a thread that counts all trades again and again is answered."""
    counts: list[int] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            counts.append(stored(two))

    thread = threading.Thread(target=count)
    thread.start()
    yield counts
    stop.set()
    thread.join()


def more(counts: list[int], least: int) -> bool:
    return len(counts) >= least


def test_no_reader_ever_counts_a_trade_twice_or_not_at_all(two: ClickHouse, move: Move, counting: list[int]) -> None:
    for epoch, target in ((5, TARGET), (6, SOURCE), (7, TARGET)):
        complete(Move(two.nodes, SHARD, target), epoch)
        wait_until(partial(more, counting, len(counting) + 3), 20, "the reader to be answered")
    assert len(counting) > 10
    assert set(counting) == {600}


class Late(Node):
    """A node to which a query comes after something else was done, once."""

    def __init__(self, node: Node, work: Callable[[], None]) -> None:
        super().__init__(node.address)
        self._work: Callable[[], None] | None = work

    def run(self, folder: Folder, name: str, *args: Any, **kwargs: Any) -> list[tuple[Any, ...]]:
        work, self._work = self._work, None
        if work is not None:
            work()
        return super().run(folder, name, *args, **kwargs)


def test_a_query_of_all_nodes_that_a_move_overtook_is_asked_again(two: ClickHouse, move: Move) -> None:
    """It found the shard on both nodes."""
    finisher = threading.Timer(0.5, partial(leave, move))

    def until_it_is_on_both() -> None:
        copy_and_give_up(move, 5)
        move.arrive(5)
        move.switch()
        finisher.start()

    client = ClickHouse(two.addresses)
    client.nodes = (Late(client.nodes[0], until_it_is_on_both), client.nodes[1])
    assert stored(client) == 600
    finisher.join()
    client.close()


def test_a_query_of_one_symbol_that_a_move_overtook_is_asked_again_where_it_went(two: ClickHouse, move: Move) -> None:
    """It came when the shard had left."""

    def whole_move() -> None:
        copy_and_give_up(move, 5)
        move.arrive(5)
        move.switch()
        time.sleep(placements.SETTLE_SECONDS)
        leave(move)

    client = ClickHouse(two.addresses)
    late = [Late(node, whole_move) if number == SOURCE else node for number, node in enumerate(client.nodes)]
    client.nodes = tuple(late)
    assert len(client.query("trades_from_id", symbol=SYMBOL, from_id=0, limit=1000)) == 300
    client.close()
