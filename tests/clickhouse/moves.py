"""A shard with trades of three months, and the steps of its move to the other of two nodes."""

from __future__ import annotations

from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.moving import Move
from dataprovider.clickhouse.shards import shard_of
from tests.clickhouse.trades import NEW_YEAR, Row
from tests.waiting import wait_until

SYMBOL = "BTCUSDT"
SHARD = shard_of(SYMBOL)
SOURCE, TARGET = SHARD % 2, 1 - SHARD % 2
DAY = 86_400_000
#: Three months of six days.
ROWS = [
    Row(n, NEW_YEAR + n // 100 * 31 * DAY + n % 100 * DAY // 50, price=100 + n, symbol=symbol)
    for symbol in (SYMBOL, "ETHUSDT")
    for n in range(300)
]


def until_known(client: ClickHouse) -> None:
    """Wait until a client goes by what its nodes say now of where shards live."""
    newest = placements.newest(client.nodes)
    assert newest is not None

    def knows() -> bool:
        client.node_of(SHARD)
        return client._placement.last_known() == newest

    wait_until(knows, 10, "the placement to be read")


def rows(two: ClickHouse, number: int, table: str) -> int:
    days = two.nodes[number].run("queries", "shard_days", {"shard": SHARD, "trades": table})
    return sum(count for _, count, _ in days)


def copy(move: Move) -> None:
    for day in move.missing():
        move.copy(day)


def complete(move: Move, epoch: int) -> None:
    """The steps of a move, without waiting for anybody."""
    copy_and_give_up(move, epoch)
    finish(move, epoch)


def copy_and_give_up(move: Move, epoch: int) -> None:
    """The steps up to the point of no return."""
    copy(move)
    move.close(epoch)
    move.announce()
    move.give_up(epoch)


def finish(move: Move, epoch: int) -> None:
    """The steps after the point of no return."""
    move.arrive(epoch)
    move.switch()
    leave(move)


def leave(move: Move) -> None:
    """The steps after everybody reads the shard where it went."""
    move.leave()
    assert move.differing() == []
    move.forget()
    move.finish()
