"""The queue of recovery jobs: one worker a job, one job a symbol, nothing forgotten, nothing for ever."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import date, timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable, StaleClaim
from dataprovider.clickhouse.shards import shard_of
from dataprovider.states import IllegalTransition
from integrity.models import JOB_STATES, JobStatus, RecoveryJob
from integrity.recovery import queue
from integrity.recovery.gapplan import plan_gaps
from integrity.recovery.queue import Progress
from tests.clickhouse.trades import NEW_YEAR, Row, columns
from tests.integrity.rows import make_gap, make_job, make_symbol

pytestmark = pytest.mark.django_db(transaction=True)


def claimed(owner: str = "one") -> RecoveryJob:
    job = queue.claim(owner)
    assert job is not None
    return job


def fresh(job: RecoveryJob) -> RecoveryJob:
    return RecoveryJob.objects.get(pk=job.pk)


def test_newest_trades_go_first_and_gaps_before_history() -> None:
    old = make_job(make_symbol("AUSDT"), newest_ms=1_000)
    new = make_job(make_symbol("BUSDT"), newest_ms=2_000)
    history, _ = queue.add_days_job(
        make_symbol("CUSDT"), date(2024, 1, 1), date(2024, 1, 2), source="auto", batch="history"
    )
    assert [claimed().pk for _ in range(3)] == [new.pk, old.pk, history.pk]
    assert queue.claim("one") is None


def test_a_symbol_has_one_running_job_and_the_database_itself_says_so() -> None:
    symbol = make_symbol()
    make_job(symbol, 100, 199, newest_ms=2)
    second = make_job(symbol, 300, 399, newest_ms=1)
    first = claimed()
    assert queue.claim("two") is None
    with pytest.raises(IntegrityError), transaction.atomic():
        RecoveryJob.objects.filter(pk=second.pk).update(status="running", claim=7, lease_expires_at=Now())
    queue.finish(first, Progress.of(first), "done")
    assert claimed("two").pk == second.pk


def test_many_workers_at_once_never_get_the_same_job_nor_two_of_a_symbol() -> None:
    symbols = [make_symbol(f"S{number}USDT") for number in range(6)]
    for symbol in symbols:
        for start in (0, 1000, 2000):
            make_job(symbol, start, start + 9)
    done: list[int] = []
    together: list[str] = []

    def work(owner: str) -> None:
        try:
            misses = 0
            while misses < 20:
                job = queue.claim(owner)
                if job is None:
                    misses += 1
                    continue
                if RecoveryJob.objects.filter(symbol_id=job.symbol_id, status=JobStatus.RUNNING).count() != 1:
                    together.append(str(job))
                done.append(job.pk)
                queue.finish(job, Progress.of(job), "done")
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(f"worker {number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(RecoveryJob.objects.values_list("pk", flat=True))
    assert together == []


def test_the_same_gap_asked_for_twice_is_one_job() -> None:
    symbol = make_symbol()
    assert make_job(symbol).pk == queue.add_ids_job(symbol, 100, 199, [], newest_ms=5).pk
    days = (symbol, date(2024, 1, 1), date(2024, 1, 31))
    first, made = queue.add_days_job(*days, source="auto", batch="one")
    again, made_again = queue.add_days_job(*days, source="auto", batch="two")
    assert (first.pk, made, made_again) == (again.pk, True, False)


def test_gaps_that_are_found_one_after_the_other_are_one_job_until_somebody_takes_it() -> None:
    symbol, other = make_symbol("AUSDT"), make_symbol("BUSDT")
    job = make_job(symbol, 100, 199, newest_ms=5)
    make_job(other, 100, 199)
    later = make_gap(symbol, 1_100, 1_300)
    assert later.pk is not None
    queue.add_ids_jobs([(symbol, 1_100, 1_300, [later], 9), (symbol, 20, 30, [make_gap(symbol, 20, 30)], 1)])
    assert RecoveryJob.objects.filter(symbol=symbol).count() == 1
    grown = fresh(job)
    assert (grown.first_id, grown.last_id, grown.newest_ms, grown.units_total) == (20, 1_300, 9, 1_281)
    assert list(grown.gaps.order_by("first_id").values_list("first_id", flat=True)) == [20, 100, 1_100]
    # Too far, too many, taken, waiting for something: those are jobs of their own.
    queue.add_ids_jobs([(symbol, 2_301, 2_400, [make_gap(symbol, 2_301, 2_400)], 9)])
    queue.add_ids_jobs([(symbol, 1_301, 13_000, [make_gap(symbol, 1_301, 13_000)], 9)])
    assert RecoveryJob.objects.filter(symbol=symbol).count() == 3
    RecoveryJob.objects.filter(symbol=symbol).exclude(pk=job.pk).delete()
    run = claimed()
    assert run.pk == job.pk
    queue.add_ids_jobs([(symbol, 1_400, 1_401, [make_gap(symbol, 1_400, 1_401)], 9)])
    assert RecoveryJob.objects.filter(symbol=symbol).count() == 2
    queue.put_back(run, Progress.of(run), "the archive is late", seconds=60)
    RecoveryJob.objects.filter(symbol=symbol).exclude(pk=job.pk).delete()
    queue.add_ids_jobs([(symbol, 1_402, 1_403, [make_gap(symbol, 1_402, 1_403)], 9)])
    assert RecoveryJob.objects.filter(symbol=symbol).count() == 2


def test_a_job_that_grows_does_not_become_the_same_as_another() -> None:
    symbol = make_symbol()
    make_job(symbol, 100, 199)
    whole = queue.add_ids_job(symbol, 5_000, 5_001, [], newest_ms=5)
    RecoveryJob.objects.filter(pk=whole.pk).update(first_id=100, last_id=250)
    queue.add_ids_jobs([(symbol, 240, 250, [make_gap(symbol, 240, 250)], 9)])
    ranges = RecoveryJob.objects.order_by("first_id", "last_id").values_list("first_id", "last_id")
    assert list(ranges) == [(100, 199), (100, 250)]


@pytest.mark.parametrize("end", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_what_was_set_aside_stays_so_until_its_gap_has_grown_beyond_it(end: JobStatus) -> None:
    symbol = make_symbol()
    gap = make_gap(symbol, 100, 199)
    assert plan_gaps() == 1
    RecoveryJob.objects.update(status=end)
    assert plan_gaps() == 0
    # What was lost since has had no job of its own.
    Gap.objects.filter(pk=gap.pk).update(last_id=250)
    assert (plan_gaps(), plan_gaps()) == (1, 0)
    job = RecoveryJob.objects.get(status=JobStatus.PENDING)
    assert (job.first_id, job.last_id, list(job.gaps.all())) == (100, 250, [gap])


def test_a_command_takes_only_the_jobs_of_its_batch() -> None:
    make_job(make_symbol("AUSDT"))
    mine, _ = queue.add_days_job(make_symbol("BUSDT"), date(2024, 1, 1), date(2024, 1, 1), source="auto", batch="mine")
    job = queue.claim("one", batch="mine")
    assert job is not None
    assert job.pk == mine.pk
    assert queue.claim("one", batch="mine") is None


def test_a_failure_waits_longer_each_time_and_the_last_one_sets_the_job_aside_with_its_reason() -> None:
    job = make_job(make_symbol())
    gap = job.gaps.get()
    for attempt in range(1, queue.MOST_ATTEMPTS):
        RecoveryJob.objects.update(next_attempt_at=Now())
        run = claimed()
        Gap.objects.update(status=GapStatus.RECOVERING)
        assert queue.failed(run, Progress.of(run), "the file is broken")
        after = fresh(job)
        assert (after.status, after.attempts, after.reason) == (JobStatus.PENDING, attempt, "the file is broken")
        assert queue.claim("one") is None
    assert [queue.pause_after(number) for number in (1, 2, 3)] == [5, 10, 20]
    assert queue.pause_after(50) == queue.MOST_PAUSE
    RecoveryJob.objects.update(next_attempt_at=Now())
    run = claimed()
    queue.failed(run, Progress.of(run), "the file is broken")
    assert fresh(job).status == JobStatus.FAILED
    assert fresh(job).reason == "the file is broken"
    gap.refresh_from_db()
    assert gap.status == GapStatus.OPEN
    assert list(job.events.values_list("status", flat=True))[-2:] == [JobStatus.RUNNING, JobStatus.FAILED]


def test_what_waits_for_something_outside_is_no_failure() -> None:
    job = make_job(make_symbol())
    for _ in range(queue.MOST_ATTEMPTS * 2):
        RecoveryJob.objects.update(next_attempt_at=Now())
        run = claimed()
        queue.put_back(run, Progress.of(run), "the archive is late", seconds=60)
    assert (fresh(job).status, fresh(job).attempts) == (JobStatus.PENDING, 0)
    assert fresh(job).reason == "the archive is late"


def test_a_stalled_worker_loses_its_job_and_cannot_store_any_more(clickhouse: ClickHouse) -> None:
    job = make_job(make_symbol())
    asleep = claimed("asleep")
    assert queue.reap(clickhouse) == 0
    RecoveryJob.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    assert queue.reap(clickhouse) == 1
    assert fresh(job).status == JobStatus.PENDING
    assert "asleep" in fresh(job).reason
    assert not queue.heartbeat(asleep, Progress())
    assert not queue.finish(asleep, Progress(), "done")
    assert asleep.claim is not None
    with pytest.raises(StaleClaim):
        clickhouse.insert_repair(columns([Row(1, NEW_YEAR)]), token="t", shard=3, epoch=0, claim=asleep.claim, part=1)
    RecoveryJob.objects.update(next_attempt_at=Now())
    awake = claimed("awake")
    assert awake.claim != asleep.claim
    # Also while another has it: nothing that the one before says of it counts.
    assert not queue.heartbeat(asleep, Progress(rows_stored=99))
    assert not queue.finish(asleep, Progress(rows_stored=99), "done")
    assert (fresh(job).status, fresh(job).claim, fresh(job).rows_stored) == (JobStatus.RUNNING, awake.claim, 0)


def test_a_node_that_is_away_keeps_only_the_jobs_of_its_own_symbols(two: ClickHouse) -> None:
    away = shard_of("BTCUSDT") % 2
    nodes = tuple(replace(each, port=1) if number == away else each for number, each in enumerate(two.addresses))
    half = ClickHouse(nodes, connect_timeout=0.5, timeout=2.0)
    jobs = {name: make_job(make_symbol(name)) for name in ("BTCUSDT", "ETHUSDT")}
    claimed("one")
    claimed("two")
    RecoveryJob.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    with pytest.raises(ClickHouseUnavailable):
        queue.reap(half)
    half.close()
    assert fresh(jobs["BTCUSDT"]).status == JobStatus.RUNNING
    assert fresh(jobs["ETHUSDT"]).status == JobStatus.PENDING
    assert queue.reap(two) == 1


def test_a_job_that_kills_its_workers_is_set_aside(clickhouse: ClickHouse) -> None:
    job = make_job(make_symbol())
    for _ in range(queue.MOST_ATTEMPTS):
        RecoveryJob.objects.update(next_attempt_at=Now())
        claimed()
        RecoveryJob.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
        queue.reap(clickhouse)
    assert fresh(job).status == JobStatus.FAILED


def test_progress_is_saved_while_it_runs_and_the_next_run_begins_there() -> None:
    job = make_job(make_symbol())
    run = claimed()
    assert queue.heartbeat(run, Progress(5, 4, 3, 100, "103", {"left": ["x"]}))
    assert (fresh(job).rows_read, fresh(job).rows_stored, fresh(job).units_done) == (5, 4, 3)
    queue.put_back(run, Progress(7, 6, 5, 100, "105", {"left": ["y"]}), "stopped", seconds=0)
    assert Progress.of(claimed()) == Progress(7, 6, 5, 100, "105", {"left": ["y"]})


def test_cancelling_a_waiting_job_is_at_once_and_a_running_one_is_told() -> None:
    waiting = make_job(make_symbol("AUSDT"), newest_ms=1)
    running = make_job(make_symbol("BUSDT"), newest_ms=2)
    run = claimed()
    assert run.pk == running.pk
    assert queue.cancel(waiting)
    assert fresh(waiting).status == JobStatus.CANCELLED
    assert queue.cancel(running)
    assert not queue.heartbeat(run, Progress())
    assert queue.cancelled(run, Progress())
    assert fresh(running).status == JobStatus.CANCELLED
    assert queue.claim("one") is None
    assert queue.retry(running)
    assert queue.retry(waiting)
    assert claimed().pk == running.pk
    done = claimed()
    queue.finish(done, Progress(), "done")
    assert not queue.retry(done)
    assert not queue.cancel(done)


def test_why_a_job_waited_is_not_said_of_a_cancelled_one() -> None:
    job = make_job(make_symbol())
    run = queue.claim("one")
    assert run is not None
    queue.put_back(run, Progress(), "Its archive is not published yet.", seconds=0)
    queue.cancel(job)
    job.refresh_from_db()
    assert (job.status, job.reason) == (JobStatus.CANCELLED, "")


def test_a_cancelled_job_whose_worker_died_ends_cancelled(clickhouse: ClickHouse) -> None:
    job = make_job(make_symbol())
    claimed()
    queue.cancel(job)
    RecoveryJob.objects.update(lease_expires_at=Now() - timedelta(seconds=1))
    assert queue.reap(clickhouse) == 1
    assert fresh(job).status == JobStatus.CANCELLED


def test_there_is_one_table_of_transitions_and_the_database_knows_the_states() -> None:
    assert frozenset(JobStatus.values) == JOB_STATES.states
    with pytest.raises(IllegalTransition, match="done cannot become running"):
        JOB_STATES.check("done", "running")
    job = make_job(make_symbol())
    for wrong in ({"status": "sleeping"}, {"status": "running"}, {"claim": 5}, {"last_id": 1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            RecoveryJob.objects.filter(pk=job.pk).update(**wrong)


def test_a_backfill_makes_room_for_a_gap_unless_that_has_a_running_symbol() -> None:
    symbol, other = make_symbol("AUSDT"), make_symbol("BUSDT")
    queue.add_days_job(symbol, date(2024, 1, 1), date(2024, 1, 2), source="auto", batch="")
    run = claimed()
    assert not queue.is_outranked(run)
    make_job(other)
    assert queue.is_outranked(run)
    claimed()
    assert not queue.is_outranked(run)
    make_job(symbol)
    assert queue.is_outranked(run)
    make_gap(symbol, 5, 6)
