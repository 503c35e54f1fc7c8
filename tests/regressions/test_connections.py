"""Failure 15 of the original: how many connections there are, how often they are tried, and what they wait for."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from django.db.models import F

from collectors.binance.stream import StreamConnection
from collectors.models import Gap
from collectors.pace import Pace
from collectors.streampool import StreamPool
from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus, RecoveryJob
from tests.collectors.test_stream_pool import names, pool_of, step
from tests.fixtures_collectors import RunningCollectors, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]

#: How finely the test's own clock moves (seconds).
STEP = 0.02


def test_two_hundred_symbols_need_one_connection(start_exchange: StartExchange) -> None:
    """Failure 15 of the original: one socket for each symbol."""
    exchange = start_exchange(symbols=200, rate=500, history_days=0)
    symbols = names(exchange)
    assert len(symbols) == 200
    pool = pool_of(exchange)
    pool.set_symbols(symbols)
    wait_until(lambda: step(pool, symbols) and pool.subscribed == 200, 30, "200 subscribed symbols", every=0)
    state = exchange.state
    assert (pool.connections, state["connections"], state["subscriptions"]) == (1, 1, 200)
    pool.close()


def test_the_pause_before_the_next_connection_grows_while_none_comes_up() -> None:
    """Failure 15 of the original: its back-off never grew. The clock is the test's own, the closed port is real."""
    now = 0.0
    begun: list[float] = []
    ended: list[float] = []

    def connect() -> StreamConnection:
        begun.append(now)
        try:
            return StreamConnection("ws://127.0.0.1:1")
        finally:
            ended.append(now)

    pool = StreamPool(connect, lambda: now, lambda symbols: None, symbols_per_connection=200, pace=Pace(0.0, 1000, 0.0))
    pool.set_symbols({"BTCUSDT"})

    def tenth_attempt() -> bool:
        nonlocal now
        pool.step(0)
        # Time passes only between attempts.
        now += STEP if len(ended) == len(begun) else 0.0
        return len(begun) == 10

    wait_until(tenth_attempt, 30, "the tenth attempt", every=0)
    pool.close()
    pauses = [after - before for before, after in pairwise(begun)]
    # Each is drawn from the upper half of 0.5, 1, 2, 4, … 60 s.
    for number, pause in enumerate(pauses):
        most = min(60.0, 0.5 * 2**number)
        # The pool learns of a failure a few steps after the socket does; on a busy machine some dozen.
        assert most / 2 <= pause <= most + 100 * STEP
    assert pauses[-1] > 20


def test_live_trades_are_stored_while_a_big_gap_waits_for_its_weight(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    """Failure 15 of the original: a REST backfill blocked the receive loop. Here a gap of hundreds of pages is fetched
    from an exchange that answers four of them a minute, and quiet symbols wait for the same weight."""
    exchange = start_exchange(symbols=30, rate=1000, weight_limit=120, paused=True)
    collectors = start_collectors(exchange, workers=1, RECOVERY_WORKERS="1", ENABLE_INTEGRITY_CHECKS="false")
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("stored") > 2000, 40, "2,000 stored trades")
    quiet = sorted(exchange.sent.keys() - {"BTCUSDT"})[:8]
    exchange.fault("mute", symbols=quiet)
    exchange.post("/simulator/clock", {"advance_seconds": 900})
    exchange.fault("drop_connections")
    quarter = Gap.objects.filter(symbol__name="BTCUSDT", last_id__gt=F("first_id") + 10_000)
    (gap,) = wait_until(lambda: quarter.all()[:1], 40, "the gap of a quarter of an hour")
    # Under way is enough: with so little weight the first page may wait for minutes behind live collection.
    wait_until(RecoveryJob.objects.filter(status=JobStatus.RUNNING).exists, 60, "recovery to be under way")
    before = len(stored_ids(clickhouse, "BTCUSDT"))
    received = collectors.total("received")
    # Long enough that symbols which are silent for five seconds are asked about meanwhile.
    wait_until(lambda: collectors.total("received") > received + 5000, 30, "5,000 more trades")
    wait_until(lambda: len(stored_ids(clickhouse, "BTCUSDT")) > before + 1000, 20, "1,000 more of BTCUSDT stored")
    assert RecoveryJob.objects.exclude(status=JobStatus.DONE).exists()
    assert Gap.objects.filter(pk=gap.pk, status__in=("open", "recovering")).exists()
    assert collectors.stop() == 0
