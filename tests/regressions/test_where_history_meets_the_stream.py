"""Failures 1, 2, 3 and 12 of the original: what a symbol begins with when its stream begins."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from collectors.ingest import Ingest
from collectors.messages import GapFound, ShardAssignment
from collectors.models import Gap, GapStatus
from collectors.shardkeeper import ShardKeeper
from collectors.spool import Spool
from collectors.writer import Writer
from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus
from tests.clickhouse.proxy import proxy_to
from tests.collectors.trades import trade
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, missing_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery
from tests.integrity.test_rest_recovery import some_ids, store
from tests.nodes import address_of
from tests.regressions.collecting import SHARD, SYMBOL, Collecting, as_trade, trades
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]
MakeRecovery = Callable[..., Recovery]


@pytest.fixture
def collecting(clickhouse: ClickHouse, tmp_path: Path) -> Iterator[Callable[..., Collecting]]:
    made: list[Collecting] = []

    def make(epoch: int = 1) -> Collecting:
        made.append(Collecting(clickhouse, tmp_path, epoch=epoch))
        return made[-1]

    yield make
    for each in made:
        each.writer.stop()


def test_what_was_buffered_while_history_ended_is_stored(
    collecting: Callable[..., Collecting], clickhouse: ClickHouse
) -> None:
    """Failure 1 of the original: the hand-over wiped what was buffered; 111 to 120 were lost and no gap said so."""
    history = collecting(1)
    history.receive(trades(1, 110))
    history.flush()
    live = collecting(2)
    assert live.frontier == 110
    live.receive(trades(105, 120))
    live.receive(trades(121, 130))
    live.flush()
    assert stored_ids(clickhouse, SYMBOL) == list(range(1, 131))
    assert live.gaps() == []


def test_what_is_in_memory_while_the_ids_before_it_are_fetched_is_stored_once(
    quiet_exchange: RunningExchange, recovery: MakeRecovery, tmp_path: Path
) -> None:
    """Failure 1 of the original: the other side. The page that fills 101 to 110 brings 111 to 120 too, which a worker
    holds: they are stored by it, and by nobody else."""
    recovered = recovery(quiet_exchange)
    before = some_ids(recovered, 130) - 1
    published = recovered.published(before + 1, before + 130)
    live = Collecting(recovered.store, tmp_path)
    try:
        live.receive(as_trade(row) for row in published[:100])
        live.flush()
        live.receive(as_trade(row) for row in published[110:120])
        assert live.gaps() == [(before + 101, before + 110)]
        recovered.gap(before + 101, before + 110)
        (job,) = recovered.run()
        assert (job.status, job.rows_stored) == (JobStatus.DONE, 10)
        live.receive(as_trade(row) for row in published[120:])
        live.flush()
    finally:
        live.writer.stop()
    assert recovered.stored() == published


def test_an_empty_buffer_at_the_hand_over_still_knows_where_the_symbol_stands(
    collecting: Callable[..., Collecting], clickhouse: ClickHouse
) -> None:
    """Failure 2 of the original: nothing was buffered, so there was no cursor; 101 to 149 were missing unnoticed."""
    history = collecting(1)
    history.receive(trades(1, 100))
    history.flush()
    live = collecting(2)
    assert live.cursor == 100
    live.receive([trade(150)])
    live.flush()
    assert live.gaps() == [(101, 149)]
    assert stored_ids(clickhouse, SYMBOL) == [*range(1, 101), 150]


def test_what_went_by_between_two_runs_becomes_a_gap_of_these_ids_and_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    """Failure 2 of the original: the farm is stopped, 49 trades go by, and the first one to arrive is the 50th."""
    recovering = {"RECOVERY_WORKERS": "1", "ENABLE_INTEGRITY_CHECKS": "false"}
    exchange = start_exchange(symbols=3, rate=300, paused=True)
    first = start_collectors(exchange, workers=1, **recovering)
    first.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: len(stored_ids(clickhouse, SYMBOL)) > 100, 30, "100 stored trades")
    exchange.post("/simulator/stop")
    assert first.stop() == 0
    last = stored_ids(clickhouse, SYMBOL)[-1]
    exchange.fault("skip", symbol=SYMBOL, count=49)
    second = start_collectors(exchange, workers=1, **recovering)
    second.wait_until_subscribed()
    exchange.post("/simulator/start")
    (gap,) = wait_until(lambda: Gap.objects.filter(symbol__name=SYMBOL)[:1], 30, "the gap")
    assert (gap.first_id, gap.last_id, gap.cause) == (last + 1, last + 49, "restart")
    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 30, "everything to be stored")
    wait_until(lambda: Gap.objects.get(pk=gap.pk).status == GapStatus.RECOVERED, 10, "the gap to be closed")
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}


def test_a_duplicate_is_not_stored_moves_nothing_back_and_opens_no_gap(
    collecting: Callable[..., Collecting], clickhouse: ClickHouse
) -> None:
    """Failure 3 of the original: it was stored all the same, moved the cursor back and raised a false gap."""
    live = collecting()
    live.receive(trades(1, 100))
    live.receive([trade(42), trade(100)])
    assert live.cursor == 100
    live.flush()
    live.receive([trade(42)])
    live.receive(trades(101, 110))
    live.flush()
    assert stored_ids(clickhouse, SYMBOL) == list(range(1, 111))
    assert (live.cursor, live.gaps(), live.ingest.duplicates) == (110, [], 3)


@contextmanager
def without_trades(clickhouse: ClickHouse) -> Iterator[None]:
    """ClickHouse answers, and says of the trades that it knows no such table."""
    clickhouse.run_text("RENAME TABLE trades_local TO trades_elsewhere")
    try:
        yield
    finally:
        clickhouse.run_text("RENAME TABLE trades_elsewhere TO trades_local")


@pytest.mark.parametrize("trouble", ["away", "an error"])
def test_where_a_symbol_stands_is_asked_until_it_is_known(
    clickhouse: ClickHouse,
    collecting: Callable[..., Collecting],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    """Failure 12 of the original: an error while reading the last id counted as a first load: all again from id 1."""
    before = collecting()
    before.receive(trades(1, 100))
    before.flush()
    found: list[GapFound] = []
    address = address_of(clickhouse)
    with proxy_to(address.host, address.port) as proxy:
        shaky = ClickHouse(
            replace(address, host="127.0.0.1", port=proxy.port), pool_size=2, connect_timeout=0.5, timeout=2.0
        )
        ingest, spool = Ingest(), Spool(tmp_path, 10**8)
        writer = Writer(
            shaky,
            spool,
            time.monotonic,
            max_rows=10**6,
            lost=lambda batch, cause, reason: None,
            stale=lambda shard, epoch: None,
        )
        writer.start()
        keeper = ShardKeeper(shaky, spool, ingest, writer, found.append)

        def step() -> bool:
            # As the supervisor does: an epoch that was used is followed by a higher one.
            epoch = max(2, keeper.low_epochs.get(SHARD, 0) + 1)
            keeper.assign({SHARD: ShardAssignment(epoch, frozenset({SYMBOL}))})
            keeper.step(time.monotonic())
            return "Collection begins" in caplog.text

        if trouble == "away":
            proxy.go_away()
            wait_until(step, 20, "a failure")
            proxy.come_back()
        else:
            with without_trades(clickhouse):
                wait_until(step, 20, "a failure")
        assert (keeper.active, keeper.held(), ingest.symbols) == (set(), {}, {})
        wait_until(lambda: step() and keeper.active, 20, "collection to begin")
        ingest.add(trades(1, 105), time.monotonic())
        for batch in ingest.seal_due(time.monotonic(), max_age=0.0):
            writer.submit(batch)
        assert writer.drain(20)
        keeper.stop()
        writer.stop()
        shaky.close()
    assert stored_ids(clickhouse, SYMBOL) == list(range(1, 106))
    assert (found, ingest.due_holes(time.monotonic() + 10)) == ([], [])


def test_what_is_missing_is_not_fetched_before_it_is_known_what_is_stored(
    quiet_exchange: RunningExchange, recovery: MakeRecovery
) -> None:
    """Failure 12 of the original: recovery too asks nothing of the exchange while the table cannot be read."""
    recovered = recovery(quiet_exchange)
    first = some_ids(recovered, 100)
    published = recovered.published(first, first + 99)
    store(recovered, [*published[:40], *published[60:]], "live")
    gap = recovered.gap(first + 40, first + 59)
    asked = recovered.exchange.state["rest"]["requests"]
    with without_trades(recovered.store):
        (job,) = recovered.run()
    gap.refresh_from_db()
    assert (job.status, job.rows_stored, gap.status) == (JobStatus.PENDING, 0, GapStatus.OPEN)
    assert recovered.exchange.state["rest"]["requests"] == asked
    (job,) = recovered.again()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 20)
    assert recovered.stored() == published
