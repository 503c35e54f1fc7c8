"""History and old gaps out of archives, whatever is wrong with the archives: the right state, never a delete."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from collectors.binance.archive import ArchiveName
from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.models import ArchiveFile, FileVerdict, JobKind, JobStatus, RecoveryJob
from integrity.models.jobs import BACKFILL_PRIORITY
from integrity.recovery import queue
from integrity.recovery.archivedays import ArchiveDays
from integrity.recovery.gapplan import plan_gaps, retry_after_bad_archives
from integrity.recovery.planner import day_of
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery, Stored
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.rows import make_job, make_symbol
from tests.integrity.test_rest_recovery import store
from tests.tickers.rows import hold

StartExchange = Callable[..., RunningExchange]
MakeRecovery = Callable[..., Recovery]

DAYS = ["2024-03-01", "2024-03-02", "2024-03-03"]
PER_DAY = 400


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path / "overlay")


@pytest.fixture
def recovered(start_exchange: StartExchange, recovery: MakeRecovery, overlay: Overlay) -> Recovery:
    """An exchange whose archives of March 2024 are what a test lays over; nothing is given up within the test."""
    exchange = start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder)
    return recovery(exchange, archive_give_up_days=5000)


def published(overlay: Overlay) -> list[list[Stored]]:
    """Three days, each in its daily file; what is in them."""
    days = [day_of_trades(day, 1000 + n * PER_DAY, PER_DAY) for n, day in enumerate(DAYS)]
    for day, trades in zip(DAYS, days, strict=True):
        overlay.write(day, trades)
    return days


def everything(days: list[list[Stored]]) -> list[Stored]:
    return [trade for day in days for trade in day]


def add_days(recovery: Recovery, first: str, last: str, source: str = "auto") -> RecoveryJob:
    days = date.fromisoformat(first), date.fromisoformat(last)
    return queue.add_days_job(recovery.symbol(), *days, source=source, batch="test")[0]


def cut_out(recovery: Recovery, trades: list[Stored], first: int, last: int, token: str = "live") -> Gap:
    """Everything is stored but the trades at positions first..last, of which there is a gap."""
    store(recovery, [*trades[:first], *trades[last + 1 :]], token)
    return recovery.gap(trades[first][0], trades[last][0])


def test_days_are_stored_as_published_and_twice_over_changes_nothing(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert (job.status, job.rows_read, job.rows_stored, job.units_done) == (JobStatus.DONE, 1200, 1200, 3)
    assert recovered.stored() == trades
    add_days(recovered, DAYS[0], DAYS[2])
    (again,) = recovered.run()
    assert (again.status, again.rows_stored) == (JobStatus.DONE, 0)
    assert "differs" not in again.result
    assert recovered.stored() == trades


def test_only_what_was_cut_out_comes_back(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    store(recovered, [*trades[:200], *trades[205:390], *trades[800:]], "live")
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert job.rows_stored == 5 + 410
    assert recovered.stored() == trades


def test_an_old_gap_is_filled_from_the_archives_of_its_days(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    gap = cut_out(recovered, trades, 390, 810)
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 421)
    assert recovered.stored() == trades
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED


def test_a_day_without_a_daily_file_comes_out_of_the_month_and_other_days_of_it_are_left_alone(
    recovered: Recovery, overlay: Overlay
) -> None:
    trades = everything(published(overlay))
    overlay.write("2024-03", trades)
    overlay.remove(DAYS[1])
    gap = cut_out(recovered, trades, 500, 520)
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == trades
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED


def test_history_takes_the_month_where_days_are_missing_and_days_where_the_month_lacks_them(
    recovered: Recovery, overlay: Overlay
) -> None:
    days = published(overlay)
    # Issue 140: a day that is absent from the monthly file is there as a daily one.
    overlay.write("2024-03", [*days[0], *days[1]])
    overlay.remove(DAYS[0])
    overlay.remove(DAYS[1])
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == everything(days)


def test_one_file_at_a_time_is_on_the_disk(recovered: Recovery, overlay: Overlay, tmp_path: Path) -> None:
    published(overlay)
    folder = tmp_path / "downloads"
    archives = ArchiveDays(recovered.tools.archives, folder, lambda: False)
    for day in DAYS:
        with archives.of(ArchiveName.daily("BTCUSDT", date.fromisoformat(day))) as found:
            assert [each.rows for each in found] == [PER_DAY]
        assert list(folder.iterdir()) == []


def test_a_late_archive_is_waited_for(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    overlay.remove(DAYS[1])
    gap = cut_out(recovered, trades, 500, 520)
    (job,) = recovered.run()
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
    assert DAYS[1] in job.reason
    gap.refresh_from_db()
    assert gap.status == GapStatus.OPEN
    overlay.write(DAYS[1], trades[400:800])
    (job,) = recovered.again()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == trades


def test_late_days_of_a_history_are_waited_for_while_the_others_come_in(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    overlay.remove(DAYS[1])
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert (job.status, job.units_done, job.result["left"]) == (JobStatus.PENDING, 2, [DAYS[1]])
    assert recovered.stored() == [*trades[:400], *trades[800:]]
    overlay.write(DAYS[1], trades[400:800])
    (job,) = recovered.again()
    assert (job.status, job.units_done, job.rows_stored) == (JobStatus.DONE, 3, 1200)
    assert recovered.stored() == trades


def test_a_partial_first_upload_is_no_proof_and_its_replacement_is_used(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    overlay.write(DAYS[1], trades[400:600])
    gap = cut_out(recovered, trades, 500, 820)
    (job,) = recovered.run()
    assert job.status == JobStatus.PENDING
    gap.refresh_from_db()
    assert gap.status == GapStatus.OPEN
    assert recovered.stored() == [*trades[:600], *trades[800:]]
    overlay.write(DAYS[1], trades[400:800])
    (job,) = recovered.again()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == trades


def test_a_gap_that_waits_for_an_archive_is_looked_at_when_its_days_were_brought_in(
    recovered: Recovery, overlay: Overlay
) -> None:
    trades = everything(published(overlay))
    overlay.write(DAYS[1], trades[400:600])
    gap = cut_out(recovered, trades, 590, 700)
    (waiting,) = recovered.run()
    assert waiting.status == JobStatus.PENDING
    assert waiting.next_attempt_at > timezone.now() + timedelta(minutes=25)
    overlay.write(DAYS[1], trades[400:800])
    add_days(recovered, DAYS[0], DAYS[2])
    history, looked_at = recovered.run()
    assert (history.kind, history.rows_stored, history.status) == (JobKind.DAYS, 101, JobStatus.DONE)
    assert (looked_at.pk, looked_at.status) == (waiting.pk, JobStatus.DONE)
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED
    assert recovered.stored() == trades


def test_days_that_brought_nothing_and_days_after_a_gap_do_not_hurry_it(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    overlay.write(DAYS[0], trades[:300])
    store(recovered, [*trades[:300], *trades[400:800]], "live")
    recovered.gap(trades[300][0], trades[399][0], after_ms=trades[400][5])
    (waiting,) = recovered.run()
    assert waiting.status == JobStatus.PENDING
    add_days(recovered, DAYS[0], DAYS[1])
    add_days(recovered, DAYS[2], DAYS[2])
    after, nothing = recovered.run()
    assert [(job.status, job.rows_stored) for job in (after, nothing)] == [(JobStatus.DONE, 400), (JobStatus.DONE, 0)]
    due = waiting.next_attempt_at
    waiting.refresh_from_db()
    assert (waiting.status, waiting.next_attempt_at) == (JobStatus.PENDING, due)


def test_what_lies_between_rows_of_one_archive_is_absent_upstream(recovered: Recovery, overlay: Overlay) -> None:
    """Failure 9 of the original: it deleted and loaded such a day for ever."""
    trades = everything(published(overlay))
    overlay.write(DAYS[1], [*trades[400:500], *trades[511:800]])
    store(recovered, [*trades[:450], *trades[600:]], "live")
    gap = recovered.gap(trades[450][0], trades[599][0])
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED
    absent = Gap.objects.get(status=GapStatus.ABSENT_UPSTREAM)
    assert (absent.first_id, absent.last_id) == (trades[500][0], trades[510][0])
    assert absent.evidence["source"] == "archive"
    assert absent.evidence["files"][0]["file"] == "BTCUSDT-aggTrades-2024-03-02.zip"
    assert recovered.stored() == [*trades[:500], *trades[511:]]
    assert recovered.again() == []


def test_a_day_that_was_never_published_is_given_up_after_its_time_with_evidence(
    start_exchange: StartExchange, recovery: MakeRecovery, overlay: Overlay
) -> None:
    exchange = start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder)
    recovered = recovery(exchange, archive_give_up_days=14)
    trades = everything(published(overlay))
    overlay.remove(DAYS[1])
    cut_out(recovered, trades, 400, 799)
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    absent = Gap.objects.get()
    assert absent.status == GapStatus.ABSENT_UPSTREAM
    assert absent.evidence["never_published"] == [DAYS[1]]
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert (job.status, job.result["no_archive"]) == (JobStatus.DONE, [DAYS[1]])


@pytest.mark.parametrize("is_replaced", [True, False], ids=["replaced", "its checksum put right"])
def test_a_corrupt_file_is_tried_again_set_aside_and_used_once_it_is_mended(
    recovered: Recovery, overlay: Overlay, *, is_replaced: bool
) -> None:
    trades = everything(published(overlay))
    good = overlay.path(DAYS[1]).read_bytes()
    overlay.checksum(DAYS[1], f"{'0' * 64}  {overlay.path(DAYS[1]).name}\n")
    gap = cut_out(recovered, trades, 500, 520)
    downloads = []
    for attempt in range(queue.MOST_ATTEMPTS):
        (job,) = recovered.again()
        downloads.append(job.reason)
        assert job.attempts == attempt + 1
    assert job.status == JobStatus.FAILED
    assert "does not match its checksum" in job.reason
    assert ArchiveFile.objects.get(date=DAYS[1]).verdict == FileVerdict.CHECKSUM
    gap.refresh_from_db()
    assert gap.status == GapStatus.OPEN
    assert recovered.stored() == [*trades[:500], *trades[521:]]
    # Nobody plans it anew; once a day it is looked at again.
    assert recovered.again() == []
    assert retry_after_bad_archives() == 0
    RecoveryJob.objects.update(finished_at=Now() - timedelta(days=2))
    assert retry_after_bad_archives() == 1
    (job,) = recovered.again()
    assert "does not match its checksum" in job.reason
    overlay.checksum(DAYS[1], None)
    if is_replaced:
        overlay.write(DAYS[1], trades[400:800], header=False)
    assert (overlay.path(DAYS[1]).read_bytes() != good) == is_replaced
    (job,) = recovered.again()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == trades


def test_a_corrupt_daily_file_is_replaced_by_the_month(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    overlay.write("2024-03", trades)
    overlay.checksum(DAYS[1], f"{'0' * 64}  x\n")
    cut_out(recovered, trades, 500, 520)
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == trades
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 0)


def test_an_unreadable_file_stores_nothing_of_itself(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    spoiled = [*trades[400:799], (trades[799][0], 10**8, 10**8, 5, 4, trades[799][5], 0)]
    overlay.write(DAYS[1], spoiled)
    add_days(recovered, DAYS[1], DAYS[1])
    (job,) = recovered.run()
    assert (job.status, job.attempts) == (JobStatus.PENDING, 1)
    assert overlay.path(DAYS[1]).name in job.reason
    assert recovered.stored() == []
    assert ArchiveFile.objects.get(date=DAYS[1]).verdict == FileVerdict.UNREADABLE
    (job,) = recovered.again()
    assert "was not replaced" in job.reason


def test_duplicated_and_interleaved_rows_and_twins_come_out_as_the_trades_there_were(
    recovered: Recovery, overlay: Overlay
) -> None:
    days = published(overlay)
    twin = (days[1][7][0], days[1][7][1], 5, 10**9, 10**9, days[1][7][5], 1)
    halves = [trade for pair in zip(days[0][:200], days[0][200:], strict=True) for trade in pair]
    overlay.write(DAYS[0], halves)
    overlay.write(DAYS[1], [trade for each in days[1] for trade in (each, each)] + [twin])
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == sorted([*everything(days), twin], key=lambda trade: (trade[0], trade[3]))
    assert ArchiveFile.objects.get(date=DAYS[1]).duplicates == PER_DAY


def test_a_twin_that_alone_is_missing_is_found_by_its_first_trade_id(recovered: Recovery, overlay: Overlay) -> None:
    days = published(overlay)
    twin = (days[1][7][0], days[1][7][1], 5, 10**9, 10**9, days[1][7][5], 1)
    overlay.write(DAYS[1], [*days[1], twin])
    store(recovered, days[1], "live")
    for stored in (1, 0):
        add_days(recovered, DAYS[1], DAYS[1])
        (job,) = recovered.run()
        assert (job.status, job.rows_stored) == (JobStatus.DONE, stored)
    assert twin in recovered.stored()
    assert len(recovered.stored()) == PER_DAY + 1


def test_a_trade_whose_content_differs_is_said_and_never_replaced(recovered: Recovery, overlay: Overlay) -> None:
    days = published(overlay)
    changed = (days[1][7][0], days[1][7][1] + 1, *days[1][7][2:])
    store(recovered, [*days[1][:7], changed, *days[1][8:]], "live")
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert (job.status, job.result["differs"]) == (JobStatus.DONE, [DAYS[1]])
    assert changed in recovered.stored()
    assert days[1][7] not in recovered.stored()


def test_a_gap_across_the_edge_of_the_look_back_comes_from_both_sources(
    start_exchange: StartExchange, recovery: MakeRecovery, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(symbols=2, rate=0.2, history_days=5, archive_delay_hours=-1)
    recovered = recovery(exchange)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    old = day_of(now) - timedelta(days=4)
    add_days(recovered, old.isoformat(), old.isoformat())
    (job,) = recovered.run()
    assert job.rows_stored > 1000
    (last,) = recovered.stored()[-1:]
    newest = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=now - 3_000_000, endTime=now - 100_000)
    store(recovered, recovered.published(newest[0]["a"], newest[0]["a"] + 9), "live")
    gap = recovered.gap(last[0] + 1, newest[0]["a"] - 1)
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE, job.reason
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED
    found = recovered.stored()
    assert [trade[0] for trade in found] == list(range(found[0][0], found[-1][0] + 1))
    recent = [trade for trade in found if trade[5] > now - 40 * 3_600_000]
    assert recent == recovered.published(recent[0][0], recent[-1][0])
    assert ArchiveFile.objects.filter(verdict=FileVerdict.GOOD).count() >= 2


def test_no_archive_is_begun_while_more_urgent_work_waits(recovered: Recovery, overlay: Overlay) -> None:
    trades = everything(published(overlay))
    cut_out(recovered, trades, 500, 520)
    plan_gaps()
    job = queue.claim("test")
    assert job is not None
    RecoveryJob.objects.filter(pk=job.pk).update(priority=BACKFILL_PRIORITY)
    job.priority = BACKFILL_PRIORITY
    make_job(make_symbol("ETHUSDT"))
    recovered.performer.perform(job)
    job.refresh_from_db()
    assert (job.status, job.reason, job.rows_stored) == (JobStatus.PENDING, "Makes room for more urgent work.", 0)
    assert job.next_attempt_at > timezone.now() + timedelta(seconds=1)


def test_history_of_what_is_collected_waits_until_it_is_known_where_the_stream_begins(
    recovered: Recovery, overlay: Overlay
) -> None:
    """A worker may hold trades that the table does not show yet."""
    trades = everything(published(overlay))
    hold("BTCUSDT")
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert (job.status, job.reason) == (JobStatus.PENDING, "Waits for the first live trade of BTCUSDT.")
    assert recovered.stored() == []
    live = (trades[-1][0] + 1, *trades[-1][1:5], trades[-1][5] + 86_400_000, trades[-1][6])
    store(recovered, [live], "live")
    (job,) = recovered.again()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == [*trades, live]


def test_history_of_what_is_left_out_of_collection_waits_for_no_live_trade(
    start_exchange: StartExchange, recovery: MakeRecovery, overlay: Overlay
) -> None:
    exchange = start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder)
    recovered = recovery(exchange, archive_give_up_days=5000, load_only_tickers=("ETHUSDT",))
    trades = everything(published(overlay))
    hold("BTCUSDT")
    add_days(recovered, DAYS[0], DAYS[2])
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE, job.reason
    assert recovered.stored() == trades


def test_history_up_to_today_ends_where_live_collection_begins(
    start_exchange: StartExchange, recovery: MakeRecovery
) -> None:
    exchange = start_exchange(symbols=2, rate=0.2, history_days=2, archive_delay_hours=-1)
    recovered = recovery(exchange)
    now = exchange.get("/fapi/v1/time")["serverTime"]
    today = day_of(now)
    add_days(recovered, (today - timedelta(days=2)).isoformat(), today.isoformat())
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE, job.reason
    found = recovered.stored()
    assert [trade[0] for trade in found] == list(range(found[0][0], found[-1][0] + 1))
    assert now - 120_000 < found[-1][5] < now
