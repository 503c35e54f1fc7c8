"""How far the table lags behind what was received: the age of the oldest trade that ClickHouse does not have yet."""

from __future__ import annotations

import time
from collections.abc import Callable

from collectors.ingest import Ingest
from collectors.shardkeeper import ShardKeeper
from collectors.spool import Spool
from collectors.writer import Writer


def storage_delay(
    ingest: Ingest, writer: Writer, spool: Spool, keeper: ShardKeeper, clock: Callable[[], float]
) -> float:
    """Seconds since the oldest trade that waits was received, in memory or on disk; 0: none waits. Of any thread.

    `clock`: the steady one that batches are marked with.
    """
    now = clock()
    ages = [now - since for since in (ingest.oldest_since, writer.oldest_since) if since is not None]
    # What an earlier run left on disk is not in the writer's queue: it is stored before its shard is opened.
    left = spool.oldest_written(keeper.unopened())
    if left is not None:
        ages.append(time.time() - left)
    return max([0.0, *ages])
