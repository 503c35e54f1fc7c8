"""Batches reach ClickHouse once and in order, or end as a gap; never as a silence."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.batch import Batch, columns_of
from collectors.opening import EpochTooLow, find_missing, open_shard
from collectors.spool import Spool
from collectors.writer import Writer
from dataprovider.clickhouse import (
    Address,
    ClickHouse,
    ClickHouseRejected,
    ClickHouseUnavailable,
    StaleEpoch,
    TradeColumns,
)
from tests.clickhouse.inserts import begin_insert
from tests.collectors.trades import trade
from tests.fixtures_collectors import stored_ids
from tests.waiting import wait_until

SHARD = 11  # BTCUSDT's


def batch(sequence: int, *ids: int, epoch: int = 1) -> Batch:
    return Batch(SHARD, epoch, sequence, columns_of([trade(each) for each in ids]))


class Flaky:
    """ClickHouse through a line that fails as told: before the insert, or after it with the answer lost."""

    def __init__(self, store: ClickHouse) -> None:
        self.store = store
        self.failures: list[str] = []
        self.calls = 0

    def insert_trades(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, query_id: str) -> None:
        self.calls += 1
        failure = self.failures.pop(0) if self.failures else ""
        if failure == "refused":
            raise ClickHouseRejected("no such column", 16)
        if failure == "away":
            raise ClickHouseUnavailable("ClickHouse does not answer.")
        self.store.insert_trades(trades, token=token, shard=shard, epoch=epoch, query_id=query_id)
        if failure == "answer lost":
            raise ClickHouseUnavailable("ClickHouse broke off in the middle of an answer.")


class Outcome:
    """What the writer said."""

    def __init__(self) -> None:
        self.lost: list[tuple[str, str]] = []
        self.stale: list[tuple[int, int]] = []


Make = Callable[..., Writer]


@pytest.fixture
def outcome() -> Outcome:
    return Outcome()


@pytest.fixture
def flaky(clickhouse: ClickHouse) -> Flaky:
    return Flaky(clickhouse)


@pytest.fixture
def make(flaky: Flaky, outcome: Outcome, tmp_path: Path) -> Iterator[Make]:
    made: list[Writer] = []

    def writer(max_rows: int = 10**6, spool_bytes: int = 10**8) -> Writer:
        one = Writer(
            flaky,
            Spool(tmp_path / "spool", spool_bytes),
            time.monotonic,
            max_rows=max_rows,
            lost=lambda batch, cause, reason: outcome.lost.append((batch.token, cause)),
            stale=lambda shard, epoch: outcome.stale.append((shard, epoch)),
        )
        made.append(one)
        one.start()
        return one

    yield writer
    for one in made:
        one.stop()


def test_a_lost_answer_does_not_store_twice(make: Make, flaky: Flaky, clickhouse: ClickHouse) -> None:
    """In the original a retry after a time-out doubled the volume."""
    flaky.failures = ["answer lost", "answer lost", "away"]
    writer = make()
    writer.submit(batch(1, 1, 2, 3))
    writer.submit(batch(2, 4, 5))
    assert writer.drain(20)
    assert stored_ids(clickhouse, "BTCUSDT") == [1, 2, 3, 4, 5]
    assert (writer.stored, writer.rows_in_memory) == (5, 0)


def test_what_memory_may_not_hold_goes_to_disk_and_is_stored_in_order(
    make: Make, flaky: Flaky, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    flaky.failures = ["away"] * 4
    writer = make(max_rows=10)
    for sequence in range(1, 11):
        writer.submit(batch(sequence, *range(sequence * 10, sequence * 10 + 10)))
    assert writer.rows_in_memory <= 10
    assert writer.spooled_batches == 9
    assert writer.drain(20)
    assert stored_ids(clickhouse, "BTCUSDT") == list(range(10, 110))
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_waits_in_memory_goes_to_disk_before_what_comes_later_does(
    make: Make, flaky: Flaky, outcome: Outcome, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Seed 169 of the simulation: a killed worker took the first batch of a contract along, its second was on disk."""
    monkeypatch.setattr("collectors.writer.SPILL_AFTER_SECONDS", 0.0)
    flaky.failures = ["away"] * 100
    writer = make()
    writer.submit(batch(1, 1, 2))
    wait_until(lambda: writer.away, 10, "the writer to notice")
    writer.submit(batch(2, 3, 4))
    assert (writer.rows_in_memory, writer.spooled_batches) == (0, 2)
    assert len(list((tmp_path / "spool").iterdir())) == 2
    flaky.failures.clear()
    assert writer.drain(20)
    assert stored_ids(clickhouse, "BTCUSDT") == [1, 2, 3, 4]
    assert (writer.stored, writer.rows_in_memory, outcome.lost) == (4, 0, [])
    assert list((tmp_path / "spool").iterdir()) == []


def test_while_memory_has_room_a_spool_that_cannot_be_written_costs_nothing(
    make: Make, flaky: Flaky, outcome: Outcome, clickhouse: ClickHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collectors.writer.SPILL_AFTER_SECONDS", 0.0)
    flaky.failures = ["away"] * 6
    writer = make(spool_bytes=1)
    writer.submit(batch(1, 1, 2))
    wait_until(lambda: writer.away, 10, "the writer to notice")
    writer.submit(batch(2, 3, 4))
    assert writer.drain(20)
    assert outcome.lost == []
    assert stored_ids(clickhouse, "BTCUSDT") == [1, 2, 3, 4]


def test_a_full_spool_becomes_a_gap_and_not_a_silence(make: Make, flaky: Flaky, outcome: Outcome) -> None:
    flaky.failures = ["away"] * 3
    writer = make(max_rows=1, spool_bytes=1)
    writer.submit(batch(1, 1, 2))
    writer.submit(batch(2, 3, 4))
    assert outcome.lost == [("11:1:1", "spool_full"), ("11:1:2", "spool_full")]


def test_a_batch_that_is_refused_for_good_becomes_a_gap_and_the_next_ones_go_on(
    make: Make, flaky: Flaky, outcome: Outcome, clickhouse: ClickHouse
) -> None:
    flaky.failures = ["refused"] * 5
    writer = make()
    writer.submit(batch(1, 1, 2))
    writer.submit(batch(2, 3, 4))
    assert writer.drain(30)
    assert outcome.lost == [("11:1:1", "refused")]
    assert stored_ids(clickhouse, "BTCUSDT") == [3, 4]


def test_a_writer_that_lost_its_shard_stores_nothing_and_says_so(
    make: Make, outcome: Outcome, clickhouse: ClickHouse
) -> None:
    clickhouse.raise_epoch(SHARD, 2)
    writer = make()
    writer.submit(batch(1, 1, 2))
    writer.submit(batch(2, 3, 4))
    assert writer.drain(20)
    assert outcome.stale == [(SHARD, 1)]
    assert stored_ids(clickhouse, "BTCUSDT") == []


def test_stopping_while_clickhouse_is_away_leaves_everything_on_disk(
    make: Make, flaky: Flaky, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    """In the original a stop in the middle of an insert lost 5,000 received trades."""
    flaky.failures = ["answer lost", *["away"] * 1000]
    writer = make()
    writer.submit(batch(1, 1, 2))
    writer.submit(batch(2, 3, 4))
    wait_until(lambda: flaky.calls > 1, 10, "the first attempts")
    assert not writer.drain(0.2)
    assert writer.stop()
    # The first batch is stored, though nobody was told so; the second is not. The next owner stores what is missing.
    opening = open_shard(clickhouse, Spool(tmp_path / "spool", 10**8), SHARD, 2, ["BTCUSDT", "ETHUSDT"])
    assert stored_ids(clickhouse, "BTCUSDT") == [1, 2, 3, 4]
    assert opening.frontiers == {"BTCUSDT": 4, "ETHUSDT": None}
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_spooled_batch_whose_token_is_forgotten_is_not_stored_twice(clickhouse: ClickHouse, tmp_path: Path) -> None:
    """ClickHouse remembers tokens only so long: before a replay the table itself is asked."""
    spool = Spool(tmp_path, 10**8)
    stored = batch(1, 1, 2, 3)
    clickhouse.insert_trades(stored.columns, token="another", shard=SHARD, epoch=1, query_id="x")
    spool.save(batch(1, 1, 2, 3, 4))
    open_shard(clickhouse, spool, SHARD, 2, ["BTCUSDT"])
    assert stored_ids(clickhouse, "BTCUSDT") == [1, 2, 3, 4]


def test_holes_below_the_frontier_are_found_when_a_shard_is_opened(clickhouse: ClickHouse, tmp_path: Path) -> None:
    """Also when a gap and a duplicate cancel out in the count."""
    ids = [1, 2, 2, 4, 5]
    clickhouse.insert_trades(columns_of([trade(each) for each in ids]), token="one", shard=SHARD, epoch=1, query_id="x")
    opening = open_shard(clickhouse, Spool(tmp_path, 10**8), SHARD, 2, ["BTCUSDT"])
    assert opening.frontiers == {"BTCUSDT": 5}
    assert find_missing(clickhouse, opening.suspects) == [("BTCUSDT", 3, 3)]


def test_an_insert_of_the_former_owner_that_is_still_under_way_is_ended(clickhouse: ClickHouse, tmp_path: Path) -> None:
    asleep = begin_insert(clickhouse, SHARD, epoch=1)
    open_shard(clickhouse, Spool(tmp_path, 10**8), SHARD, 2, ["BTCUSDT"])
    assert clickhouse.kill_inserts(SHARD, 2) == [], "an older insert was still under way after the take-over"
    asleep.disconnect()


def test_an_epoch_that_clickhouse_has_seen_is_too_low(clickhouse: ClickHouse, tmp_path: Path) -> None:
    clickhouse.raise_epoch(SHARD, 7)
    with pytest.raises(EpochTooLow) as refused:
        open_shard(clickhouse, Spool(tmp_path, 10**8), SHARD, 7, ["BTCUSDT"])
    assert refused.value.current == 7


def test_an_error_while_reading_is_not_taken_for_an_empty_table(tmp_path: Path) -> None:
    """The original took it for a first load and began again from id 1."""
    nowhere = ClickHouse(Address("127.0.0.1", 1, "trades", "u", "p"), connect_timeout=0.5)
    with pytest.raises(ClickHouseUnavailable):
        open_shard(nowhere, Spool(tmp_path, 10**8), SHARD, 1, ["BTCUSDT"])
    nowhere.close()


def test_the_fence_is_the_stores_own(clickhouse: ClickHouse) -> None:
    clickhouse.raise_epoch(SHARD, 3)
    one = batch(1, 1, epoch=2)
    with pytest.raises(StaleEpoch):
        clickhouse.insert_trades(one.columns, token=one.token, shard=SHARD, epoch=2, query_id=one.token)


def test_a_batch_that_may_still_arrive_is_no_gap_when_a_full_spool_cannot_keep_it(
    make: Make, flaky: Flaky, outcome: Outcome
) -> None:
    """Seed 95 of the simulation: recovery filled the gap, and the insert that hung came after it: stored twice."""
    flaky.failures = ["away"] * 1000
    writer = make(spool_bytes=1)
    writer.submit(batch(1, 1, 2))
    wait_until(lambda: flaky.calls > 0, 10, "the first try")
    writer.submit(batch(2, 3, 4))
    assert not writer.stop()
    assert outcome.lost == [("11:1:2", "spool_full")]
