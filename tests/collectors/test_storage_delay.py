"""How far the table lags behind: the oldest trade that waits counts, wherever it waits."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from collectors.delay import storage_delay
from collectors.ingest import Ingest
from collectors.messages import ShardAssignment
from collectors.shardkeeper import ShardKeeper
from collectors.spool import Spool
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse
from tests.collectors.trades import trade
from tests.waiting import wait_until

SHARD = 11  # BTCUSDT's


def test_the_oldest_trade_in_memory_or_on_disk_counts_and_none_when_all_are_stored(
    clickhouse: ClickHouse, tmp_path: Path
) -> None:
    now = 100.0
    spool, ingest = Spool(tmp_path, 10**6), Ingest()
    writer = Writer(clickhouse, spool, lambda: now, max_rows=10**6, lost=print, stale=print)
    keeper = ShardKeeper(clickhouse, spool, ingest, writer, print)

    def delay() -> float:
        return storage_delay(ingest, writer, spool, keeper, lambda: now)

    assert delay() == 0
    ingest.open_shard(SHARD, 1)
    ingest.track("BTCUSDT", SHARD, 0, now)
    ingest.add([trade(1)], 100.0)
    now = 103.0
    assert delay() == 3
    writer.submit(ingest.seal(ingest.buffers[SHARD]))
    ingest.add([trade(2)], 103.0)
    now = 110.0
    # What an insert waits with is older than what is being batched.
    assert delay() == 10
    # So is what an earlier run left on disk, as long as its shard is assigned and not open.
    os.utime(spool.save(ingest.seal(ingest.buffers[SHARD])), (time.time() - 60,) * 2)
    assert delay() == 10
    ingest.close_shard(SHARD)
    keeper.assign({SHARD: ShardAssignment(2, frozenset({"BTCUSDT"}))})
    assert delay() == pytest.approx(60, abs=2)
    keeper.assign({})
    writer.start()
    wait_until(lambda: delay() == 0, 10, "the batch to be stored")
    writer.stop()
