"""The farm with its recovery: whatever went by comes back by itself, exactly once, and the boundary is on record."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psutil
import pytest
import requests

from collectors.models import UNFINISHED, Gap, StreamBoundary
from dataprovider.clickhouse import ClickHouse
from integrity.models import ArchiveFile, FileVerdict, JobStatus, RecoveryJob
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, missing_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]

RECOVERING = {"RECOVERY_WORKERS": "2", "INTEGRITY_INTERVAL": "20"}


def started(
    start_exchange: StartExchange, start_collectors: StartCollectors, *, symbols: int, rate: int, **options: object
) -> tuple[RunningExchange, RunningCollectors]:
    """A market that opens when every symbol is subscribed, and has had some thousand trades since."""
    exchange = start_exchange(symbols=symbols, rate=rate, paused=True, **options)
    collectors = start_collectors(exchange, **RECOVERING)
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("stored") > rate, 30, "a second's trades in the table")
    return exchange, collectors


def wait_until_whole(exchange: RunningExchange, clickhouse: ClickHouse, seconds: float = 90) -> None:
    """Everything that was sent is stored, once; no gap is open."""
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, seconds, "everything to be stored", every=0.5)
    wait_until(lambda: not Gap.objects.filter(status__in=UNFINISHED).exists(), 30, "every gap to be closed")
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}


def test_what_a_killed_worker_had_in_memory_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=30, rate=4000)
    psutil.Process(collectors.statuses()[0].pid).kill()
    wait_until(lambda: Gap.objects.exists(), 30, "gaps")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 8000, 30, "collection to go on")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert StreamBoundary.objects.filter(verdict="gap", cause="restart").exists()
    assert not RecoveryJob.objects.exclude(status=JobStatus.DONE).exists()


def test_what_a_muted_connection_left_out_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=10, rate=1000)
    exchange.fault("mute")
    wait_until(
        lambda: collectors.total("reconnects") > 0 or collectors.total("connections") > 2, 30, "it to be noticed"
    )
    exchange.delete("/simulator/faults")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 3000, 30, "trades again")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert StreamBoundary.objects.exclude(verdict="first").exists()


def test_what_a_half_open_connection_left_out_comes_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=10, rate=1000)
    exchange.fault("half_open")
    wait_until(lambda: collectors.total("reconnects") > 0, 30, "it to be noticed")
    received = collectors.total("received")
    wait_until(lambda: collectors.total("received") > received + 3000, 30, "trades again")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert StreamBoundary.objects.filter(cause="reconnect").exists()


def test_skipped_ids_come_back(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=5, rate=500)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        exchange.fault("skip", symbol=symbol, count=37)
    wait_until(lambda: Gap.objects.count() >= 2, 30, "gaps")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse)
    assert sum(RecoveryJob.objects.values_list("rows_stored", flat=True)) == 74
    assert collectors.stop() == 0


def test_an_outage_of_everything_is_recovered_inside_the_weight_budget(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    """Ten minutes of every symbol go by: more than a minute of the budget. The exchange's own count of our requests
    shows how it was used."""
    exchange, collectors = started(start_exchange, start_collectors, symbols=80, rate=200)
    exchange.advance(600)
    exchange.fault("drop_connections")
    wait_until(lambda: Gap.objects.count() > 40, 60, "gaps of most symbols")
    exchange.post("/simulator/stop")
    wait_until_whole(exchange, clickhouse, seconds=240)
    assert sum(RecoveryJob.objects.values_list("rows_stored", flat=True)) > 100_000
    spent = exchange.state["rest"]
    assert spent["refused"] == 0
    assert 0.9 * 2400 <= max(spent["by_minute"].values()) <= 2400
    assert collectors.stop() == 0


def test_an_outage_of_days_goes_to_the_archives_and_the_rest_to_rest(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange, collectors = started(
        start_exchange, start_collectors, symbols=2, rate=1, history_days=0, archive_delay_hours=-1
    )
    before = stored_ids(clickhouse, "BTCUSDT")[-1]
    exchange.advance(3 * 86_400)
    exchange.fault("drop_connections")
    wait_until(lambda: Gap.objects.filter(symbol__name="BTCUSDT").exists(), 60, "a gap")
    wait_until_whole(exchange, clickhouse, seconds=180)
    ids = stored_ids(clickhouse, "BTCUSDT")
    assert ids == list(range(ids[0], ids[-1] + 1))
    assert ids[-1] - before > 100_000
    files = set(ArchiveFile.objects.filter(symbol="BTCUSDT").values_list("verdict", flat=True))
    assert files == {FileVerdict.GOOD}
    assert ArchiveFile.objects.filter(symbol="BTCUSDT").count() >= 2
    # By REST alone it would have been a page for every thousand trades.
    assert exchange.state["rest"]["requests"] < (ids[-1] - before) / 1000 / 2
    assert collectors.stop() == 0


def test_history_comes_in_by_itself_when_a_beginning_is_set(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=2, rate=1, history_days=3, archive_delay_hours=-1)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    start = (datetime.fromtimestamp(now / 1000, UTC) - timedelta(days=2)).date()
    collectors = start_collectors(exchange, **RECOVERING, HISTORY_START=start.isoformat())

    def whole() -> bool:
        ids = stored_ids(clickhouse, "BTCUSDT")
        return len(ids) > 60_000 and ids == list(range(ids[0], ids[-1] + 1))

    wait_until(whole, 120, "two days and today without a hole", every=1.0)
    assert collectors.stop() == 0


@pytest.mark.parametrize("status", [418, 429])
def test_nobody_calls_during_a_ban_also_after_a_restart(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse, status: int
) -> None:
    exchange, collectors = started(start_exchange, start_collectors, symbols=5, rate=200)
    exchange.fault("rate_limit", status=status, seconds=40)
    exchange.fault("skip", symbol="BTCUSDT", count=5)
    wait_until(lambda: exchange.state["rest"]["refused"] > 0, 40, "a refusal")
    exchange.delete("/simulator/faults")
    asked = exchange.state["rest"]["requests"]
    collectors.stop()
    again = start_collectors(exchange, **RECOVERING)
    wait_until(lambda: again.total("received") > 500, 30, "live collection, which needs no REST")
    assert exchange.state["rest"]["requests"] == asked
    wait_until_whole(exchange_stopped(exchange), clickhouse, seconds=120)


def exchange_stopped(exchange: RunningExchange) -> RunningExchange:
    try:
        exchange.post("/simulator/stop")
    except requests.RequestException as error:
        raise AssertionError(str(error)) from error
    return exchange
