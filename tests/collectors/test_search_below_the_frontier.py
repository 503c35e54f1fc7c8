"""What a new owner finds missing below a symbol's frontier is reported while the shard is its own, and only then."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collectors.batch import columns_of
from collectors.custody import Custody, Means
from collectors.messages import GapFound, ShardAssignment
from collectors.spool import Spool
from dataprovider.clickhouse import ClickHouse
from tests.collectors.trades import trade
from tests.waiting import wait_until

SHARD, EPOCH = 11, 2


@pytest.fixture
def opener() -> Iterator[ThreadPoolExecutor]:
    executor = ThreadPoolExecutor(max_workers=1)
    yield executor
    executor.shutdown(cancel_futures=True)


@pytest.mark.parametrize("lost", [False, True])
def test_a_search_that_ends_after_its_shard_was_lost_reports_nothing(
    clickhouse: ClickHouse, tmp_path: Path, opener: ThreadPoolExecutor, lost: bool
) -> None:
    columns = columns_of([trade(1), trade(2), trade(5)])
    clickhouse.insert_trades(columns, token="before", shard=SHARD, epoch=0, query_id=f"{SHARD}:0:1")
    custody = Custody(clickhouse, Spool(tmp_path / "spool", 10**8), Means(opener=opener), max_rows=1000)
    keeper = custody.keeper
    keeper.assign({SHARD: ShardAssignment(EPOCH, frozenset({"BTCUSDT"}))})
    keeper.step(time.monotonic())
    # The search begins when this ends: both go through the one thread of the opener.
    may_search = threading.Event()
    opener.submit(may_search.wait, 30)
    wait_until(lambda: keeper.step(time.monotonic()) and keeper.held(), 30, "the shard to be opened")
    assert keeper.held() == {SHARD: EPOCH}
    if lost:
        keeper.is_stale(SHARD, EPOCH)
        keeper.step(time.monotonic())
        assert keeper.held() == {}
    may_search.set()
    opener.submit(int).result(30)
    keeper.step(time.monotonic())
    expected = [] if lost else [GapFound("BTCUSDT", 3, 4, "unclean_stop", epoch=EPOCH)]
    assert [custody.findings.gaps.get_nowait() for _ in range(custody.findings.gaps.qsize())] == expected
