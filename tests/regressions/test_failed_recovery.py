"""Failures 4 and 13 of the original: what becomes of trades whose recovery fails, once or ten times in a row."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from django.db.models import F
from django.db.models.functions import Now

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus, RecoveryJob
from integrity.recovery import queue
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, missing_ids, stored_ids
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.test_rest_recovery import some_ids, store
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
StartCollectors = Callable[..., RunningCollectors]
MakeRecovery = Callable[..., Recovery]


def test_a_gap_whose_recovery_failed_is_filled_when_the_exchange_answers_again(
    start_exchange: StartExchange, start_collectors: StartCollectors, clickhouse: ClickHouse
) -> None:
    """Failure 4 of the original: one failed recovery, and of 2,501 missing trades 1 was stored, 1,000 were held and the
    rest were evicted from a bounded queue."""
    exchange = start_exchange(symbols=2, rate=2000, paused=True)
    collectors = start_collectors(exchange, workers=1, RECOVERY_WORKERS="1", ENABLE_INTEGRITY_CHECKS="false")
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: len(stored_ids(clickhouse, "BTCUSDT")) > 100, 30, "stored trades")
    exchange.fault("rest_error", status=503)
    exchange.fault("skip", symbol="BTCUSDT", count=2501)
    skipped = Gap.objects.filter(symbol__name="BTCUSDT", last_id=F("first_id") + 2500)
    (gap,) = wait_until(lambda: skipped.all()[:1], 30, "the gap of 2,501 trades")
    jobs = RecoveryJob.objects.filter(gaps=gap, reason__contains="503")
    (failed,) = wait_until(lambda: jobs.all()[:1], 20, "a failed recovery")
    assert failed.rows_stored == 0
    after = stored_ids(clickhouse, "BTCUSDT")
    wait_until(lambda: len(stored_ids(clickhouse, "BTCUSDT")) > len(after) + 1000, 20, "1,000 more live trades")
    exchange.post("/simulator/stop")
    exchange.delete("/simulator/faults")
    RecoveryJob.objects.filter(status=JobStatus.PENDING).update(next_attempt_at=Now())
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == {}, 30, "everything to be stored")
    (job,) = wait_until(lambda: RecoveryJob.objects.filter(pk=failed.pk, status=JobStatus.DONE), 10, "the job's end")
    assert (job.rows_stored, Gap.objects.get(pk=gap.pk).status) == (2501, GapStatus.RECOVERED)
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}


def test_ten_errors_in_a_row_are_no_success(quiet_exchange: RunningExchange, recovery: MakeRecovery) -> None:
    """Failure 13 of the original: ten errors in a row ended the download as a success."""
    recovered = recovery(quiet_exchange)
    first = some_ids(recovered, 2501)
    published = recovered.published(first, first + 2500)
    store(recovered, [published[0], published[-1]], "live")
    gap = recovered.gap(first + 1, first + 2499)
    recovered.exchange.fault("rest_error", status=503)
    for _ in range(10):
        (job,) = recovered.again()
        gap.refresh_from_db()
        assert (job.status, gap.status) == (JobStatus.PENDING, GapStatus.OPEN)
        assert "503" in job.reason
    recovered.exchange.delete("/simulator/faults")
    (job,) = recovered.again()
    gap.refresh_from_db()
    assert (job.status, job.rows_stored, gap.status) == (JobStatus.DONE, 2499, GapStatus.RECOVERED)
    assert recovered.stored() == published


def test_an_archive_that_fails_ten_times_leaves_its_day_to_be_done(
    quiet_exchange: RunningExchange, overlay: Overlay, recovery: MakeRecovery
) -> None:
    """Failure 13 of the original: the same with a download of history. It is set aside and says so; tried again when a
    person wants it, it goes on with the day that is left."""
    recovered = recovery(quiet_exchange, archive_give_up_days=5000)
    trades = day_of_trades("2024-03-05", 1000, 400)
    overlay.write("2024-03-05", trades)
    overlay.checksum("2024-03-05", f"{'0' * 64}  BTCUSDT-aggTrades-2024-03-05.zip\n")
    day = date(2024, 3, 5)
    queue.add_days_job(recovered.symbol(), day, day, source="archive", batch="test")
    for _ in range(10):
        jobs = recovered.again()
        job = RecoveryJob.objects.get()
        assert job.status in (JobStatus.PENDING, JobStatus.FAILED)
        assert (job.units_done, job.result["left"]) == (0, ["2024-03-05"])
        if not jobs:
            assert queue.retry(job)
    assert "checksum" in RecoveryJob.objects.exclude(reason="").get().reason
    assert recovered.stored() == []
    overlay.checksum("2024-03-05", None)
    overlay.write("2024-03-05", trades, header=False)
    (job,) = recovered.again()
    assert (job.status, job.units_done, job.result["left"]) == (JobStatus.DONE, 1, [])
    assert recovered.stored() == trades
