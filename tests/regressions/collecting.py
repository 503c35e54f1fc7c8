"""BTCUSDT as a worker collects it, without the stream: what is received is judged, batched and written."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from collectors.batch import Batch
from collectors.ingest import HOLE_GRACE, Ingest
from collectors.opening import open_shard
from collectors.spool import Spool
from collectors.trade import Trade
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from tests.collectors.trades import trade
from tests.fixtures_recovery import Stored

SYMBOL = "BTCUSDT"
SHARD = shard_of(SYMBOL)


class Collecting:
    """The owner of BTCUSDT's shard. `store`: where it writes to, when that is not where it reads."""

    def __init__(self, clickhouse: ClickHouse, home: Path, *, epoch: int = 1, store: ClickHouse | None = None) -> None:
        spool = Spool(home / "spool", 10**9)
        opening = open_shard(clickhouse, spool, SHARD, epoch, [SYMBOL])
        self.frontier = opening.frontiers[SYMBOL]
        self.suspects = opening.suspects
        self.lost: list[Batch] = []
        self.ingest = Ingest()
        self.ingest.open_shard(SHARD, epoch)
        self.ingest.track(SYMBOL, SHARD, self.frontier, time.monotonic())
        self.writer = Writer(
            store or clickhouse,
            spool,
            time.monotonic,
            max_rows=10**6,
            lost=lambda batch, cause, reason: self.lost.append(batch),
            stale=lambda shard, epoch: None,
        )
        self.writer.start()

    def receive(self, trades: Iterable[Trade]) -> None:
        """These trades arrive, in this order."""
        self.ingest.add(list(trades), time.monotonic())

    def submit(self) -> None:
        """What was received goes to the writer."""
        for batch in self.ingest.seal_due(time.monotonic(), max_age=0.0):
            self.writer.submit(batch)

    def flush(self) -> None:
        """What was received is stored."""
        self.submit()
        assert self.writer.drain(20)

    def gaps(self) -> list[tuple[int, int]]:
        """The gaps that are reported once nothing can come late any more."""
        due = self.ingest.due_holes(time.monotonic() + 2 * HOLE_GRACE)
        return [(hole.first_id, hole.last_id) for _, hole in due]

    @property
    def cursor(self) -> int | None:
        """The highest id seen or stored."""
        return self.ingest.symbols[SYMBOL].continuity.last_id


def trades(first_id: int, last_id: int) -> list[Trade]:
    """Made-up trades of these ids, both included."""
    return [trade(number) for number in range(first_id, last_id + 1)]


def as_trade(row: Stored) -> Trade:
    """A trade of the exchange as the stream would bring it."""
    number, price, quantity, first, last, at, maker = row
    return Trade(SYMBOL, number, price, quantity, first, last, at, bool(maker), at + 20)
