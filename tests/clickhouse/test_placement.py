"""Where the shards live: agreed by the nodes, and known to whoever reads and writes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dataprovider.clickhouse import (
    Address,
    ClickHouse,
    ClickHouseUnavailable,
    NodesDisagree,
    ShardMoving,
    StaleEpoch,
    migrate,
)
from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.cluster import tell_newest
from dataprovider.clickhouse.fence import ELSEWHERE, HELD
from dataprovider.clickhouse.moving import Move
from dataprovider.clickhouse.placement import Moving, Placement, PlacementReader
from dataprovider.clickhouse.shards import shard_of
from tests.clickhouse.moves import ROWS, SHARD, SOURCE, SYMBOL, TARGET, until_known
from tests.clickhouse.trades import Row, columns, store, stored


def test_whoever_was_told_of_other_nodes_cannot_write_a_shard_that_lives_elsewhere(
    two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    alone = ClickHouse(addresses[TARGET])
    with pytest.raises(ShardMoving):
        alone.epoch_of(SHARD)
    with pytest.raises(StaleEpoch):
        alone.insert_trades(columns([Row(1)]), token="a", shard=SHARD, epoch=2**63, query_id="")
    alone.close()


def test_a_move_that_told_only_one_node_is_told_to_all_by_the_next(two: ClickHouse, move: Move) -> None:
    told = placements.newest(two.nodes)
    assert told is not None
    placements.record(two.nodes[:1], Placement(told.version + 3, told.nodes, Moving(SHARD, SOURCE, TARGET)))
    again = Move(two.nodes, SHARD, TARGET)
    assert placements.read(two.nodes[1]) == again.placement
    again.withdraw()
    assert stored(two) == 600


def test_two_nodes_that_say_different_things_under_one_version_are_told_a_later_one(two: ClickHouse) -> None:
    told = placements.newest(two.nodes)
    assert told is not None
    for number, node in enumerate(two.nodes):
        placements.record([node], Placement(told.version + 1, (number,) * 16))
    newest = tell_newest(two.nodes)
    assert newest.version == told.version + 2
    assert [placements.read(node) for node in two.nodes] == [newest, newest]


def test_a_placement_that_was_read_is_never_replaced_by_an_older_one(
    two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    reader = PlacementReader(addresses, connect_timeout=1.0, timeout=2.0)
    known = reader.fresh()
    newer = Placement(known.version + 1, known.nodes)
    placements.record(two.nodes[:1], newer)
    assert reader.fresh() == newer
    # Where it would look first, nobody was told.
    reader._first = 1
    assert reader.fresh() == newer
    reader.close()


def test_a_client_that_was_told_of_too_few_nodes_says_so(two: ClickHouse) -> None:
    placements.record(two.nodes, Placement(100, (2,) * 16))
    with pytest.raises(NodesDisagree, match="CLICKHOUSE_NODES does not name"):
        until_known(two)


def test_while_a_node_is_away_the_others_are_migrated(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    nowhere = replace(addresses[1], port=1)
    away: list[Address] = []
    assert migrate((addresses[0], nowhere), away=away) == []
    assert away == [nowhere]
    # Where nobody knows yet what lives where, all are needed.
    two.run_text("TRUNCATE TABLE placement")
    with pytest.raises(ClickHouseUnavailable):
        migrate((addresses[0], nowhere))


def test_one_server_becomes_the_first_of_two_and_keeps_its_trades(
    two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    """What CLICKHOUSE_NODES=host1,host2 does to an installation with one."""
    two.run_text("TRUNCATE TABLE placement")
    two.run_text("TRUNCATE TABLE shard_epochs")
    alone = ClickHouse(addresses[0])
    migrate(addresses[0])
    store(alone, ROWS)
    alone.raise_epoch(SHARD, 3)
    alone.close()
    migrate(addresses)
    both = ClickHouse(addresses)
    placement = placements.newest(both.nodes)
    assert placement is not None
    assert placement.nodes[SHARD] == placement.nodes[shard_of("ETHUSDT")] == 0
    assert {number for shard, number in enumerate(placement.nodes) if shard % 2 and shard != SHARD} == {1}
    assert stored(both) == 600
    assert len(both.query("trades_from_id", symbol=SYMBOL, from_id=0, limit=1000)) == 300
    assert both.epoch_of(SHARD) == 3
    both.close()


def test_two_servers_with_trades_of_the_same_shard_are_not_joined(
    two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    two.run_text("TRUNCATE TABLE placement")
    two.run_text("TRUNCATE TABLE shard_epochs")
    for address in addresses:
        alone = ClickHouse(address)
        store(alone, [Row(1)])
        alone.close()
    with pytest.raises(NodesDisagree, match=f"hold trades of the same shard {SHARD}, and nothing says where it lives"):
        migrate(addresses)
    assert placements.newest(two.nodes) is None


def test_a_node_that_still_has_shards_cannot_be_left_out(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    with pytest.raises(NodesDisagree, match=r"live on a node that CLICKHOUSE_NODES does not name.*rebalance --empty"):
        migrate(addresses[0])
    newest = placements.newest(two.nodes)
    assert newest is not None
    placements.record(two.nodes, Placement(newest.version + 1, (0,) * 16))
    assert migrate(addresses[0]) == []


def test_a_node_that_was_not_told_is_told(two: ClickHouse, addresses: tuple[Address, ...]) -> None:
    placements.record(two.nodes[:1], Placement(7, tuple(shard % 2 for shard in range(16)), Moving(3, 1, 0)))
    migrate(addresses)
    assert placements.read(two.nodes[1]) == placements.read(two.nodes[0])


def test_while_one_node_is_away_the_other_says_where_shards_live(
    two: ClickHouse, addresses: tuple[Address, ...]
) -> None:
    nowhere = Address("127.0.0.1", 1, addresses[0].database, "u", "p")
    for nodes in ((nowhere, addresses[1]), (addresses[0], nowhere)):
        half = ClickHouse(nodes, connect_timeout=0.5, timeout=2.0)
        here = next(number for number in (0, 1) if nodes[number] is not nowhere)
        assert [half.epoch_of(shard) for shard in range(16) if shard % 2 == here] == [0] * 8
        with pytest.raises(ClickHouseUnavailable, match=r"127\.0\.0\.1:1"):
            half.epoch_of(1 - here)
        half.close()


def test_fences_leave_room_for_every_epoch() -> None:
    assert 0 < HELD < HELD + 2**40 < ELSEWHERE == 2**64 - 1
