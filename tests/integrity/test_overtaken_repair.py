"""What comes between a repair's look at the table and the answer to its insert: another owner, or no answer at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable, StaleClaim, StaleEpoch, TradeColumns
from dataprovider.clickhouse.shards import shard_of
from integrity.models import JobStatus
from integrity.recovery import queue
from integrity.recovery.fill import Filler
from integrity.recovery.gapplan import plan_gaps
from integrity.recovery.perform import Performer
from tests.clickhouse.trades import NEW_YEAR, Row, columns, stored
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery

ROWS = columns([Row(n, NEW_YEAR + n) for n in range(50)])
SHARD = shard_of("BTCUSDT")


class Overtaken(ClickHouse):
    """After each look at what is missing a new owner takes the shard over and stores what it had on disk."""

    def query(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        rows = super().query(name, **params)
        if name == "missing_ranges":
            epoch = self.epoch_of(SHARD) + 1
            self.raise_epoch(SHARD, epoch)
            self.insert_trades(ROWS, token="spool", shard=SHARD, epoch=epoch, query_id=f"{SHARD}:{epoch}:1")
        return rows


def test_it_stores_nothing_beside_what_the_new_owner_had_on_disk(clickhouse: ClickHouse) -> None:
    store = Overtaken(clickhouse.addresses)
    with pytest.raises(StaleEpoch):
        Filler(store, "BTCUSDT", 7, lambda: False).fill(ROWS)
    store.close()
    assert stored(clickhouse) == 50


class Unanswered(ClickHouse):
    """Inserts of repairs are never answered: nobody knows whether they arrive."""

    claim = 0

    def insert_repair(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, claim: int, part: int) -> None:
        self.claim = claim
        raise ClickHouseUnavailable("No answer.")


def test_an_insert_without_an_answer_is_shut_out_before_anybody_looks_again(
    start_exchange: Callable[..., RunningExchange], recovery: Callable[..., Recovery], clickhouse: ClickHouse
) -> None:
    recovered = recovery(start_exchange(symbols=2, rate=10))
    newest = recovered.exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[0]["a"]
    recovered.gap(newest - 9, newest)
    plan_gaps()
    job = queue.claim("test")
    assert job is not None
    store = Unanswered(clickhouse.addresses)
    Performer(replace(recovered.tools, store=store), lambda: bool(store.claim)).perform(job)
    job.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.PENDING, "ClickHouse did not answer an insert.")
    with pytest.raises(StaleClaim):
        clickhouse.insert_repair(ROWS, token="late", shard=SHARD, epoch=0, claim=store.claim, part=1)
    store.close()
    recovered.again()
    assert len(recovered.stored()) == 10
