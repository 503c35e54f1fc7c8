"""With several ClickHouse nodes, one that is away holds up only its own shards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.batch import Batch, columns_of
from collectors.custody import Custody, Means
from collectors.spool import Spool
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from tests.collectors.trades import trade
from tests.waiting import wait_until

AWAY, HERE = "BTCUSDT", "ETHUSDT"


def batch(symbol: str, sequence: int) -> Batch:
    return Batch(shard_of(symbol), 1, sequence, columns_of([trade(sequence, symbol)]))


@pytest.fixture
def half(two: ClickHouse) -> Iterator[ClickHouse]:
    """The node of AWAY does not answer."""
    away = shard_of(AWAY) % 2
    nodes = tuple(replace(each, port=1) if number == away else each for number, each in enumerate(two.addresses))
    client = ClickHouse(nodes, connect_timeout=0.5, timeout=2.0)
    yield client
    client.close()


def lanes_to(half: ClickHouse, spool: Spool, lost: list[str], *, max_rows: int) -> Writer:
    """A writer that has begun; `lost` gets the symbols of what could not be kept."""
    writer = Writer(
        half,
        spool,
        time.monotonic,
        max_rows=max_rows,
        lost=lambda batch, cause, reason: lost.extend(batch.columns.symbol.tolist()),
        stale=lambda shard, epoch: None,
        lanes=len(half.nodes),
        lane_of=half.number_of,
    )
    half.node_of(shard_of(HERE))
    writer.start()
    return writer


def test_a_node_that_is_away_holds_up_only_its_own_shards(two: ClickHouse, half: ClickHouse, tmp_path: Path) -> None:
    lost: list[str] = []
    writer = lanes_to(half, Spool(tmp_path, 10**8), lost, max_rows=1000)
    writer.submit(batch(AWAY, 1))
    wait_until(lambda: writer.away, 10, "the writer to notice")
    for sequence in range(1, 6):
        writer.submit(batch(HERE, sequence))
    wait_until(lambda: not writer.pending(shard_of(HERE)), 10, "the other node's batches to be stored")
    assert int(two.query("total_rows")[0][0]) == 5
    assert writer.pending(shard_of(AWAY))
    assert (writer.stored, writer.rows_in_memory, lost) == (5, 1, [])
    assert writer.stop()
    assert len(Spool(tmp_path, 10**8).files(shard_of(AWAY))) == 1


def test_what_waits_for_one_node_takes_no_memory_from_the_others(
    two: ClickHouse, half: ClickHouse, tmp_path: Path
) -> None:
    lost: list[str] = []
    writer = lanes_to(half, Spool(tmp_path, 0), lost, max_rows=4)
    for sequence in range(1, 6):
        writer.submit(batch(AWAY, sequence))
    assert lost == [AWAY] * 3
    for sequence in range(1, 6):
        writer.submit(batch(HERE, sequence))
        wait_until(lambda: not writer.pending(shard_of(HERE)), 10, "the other node's batch to be stored")
    assert lost == [AWAY] * 3
    assert int(two.query("total_rows")[0][0]) == 5
    assert not writer.stop()


def test_a_worker_has_a_lane_for_each_node(two: ClickHouse, half: ClickHouse, tmp_path: Path) -> None:
    custody = Custody(half, Spool(tmp_path, 10**8), Means(), max_rows=1000)
    half.node_of(shard_of(HERE))
    custody.writer.start()
    custody.writer.submit(batch(AWAY, 1))
    custody.writer.submit(batch(HERE, 1))
    wait_until(lambda: not custody.writer.pending(shard_of(HERE)), 10, "the other node's batch to be stored")
    assert custody.writer.pending(shard_of(AWAY))
    assert int(two.query("total_rows")[0][0]) == 1
    custody.keeper.stop()
    assert custody.writer.stop()
