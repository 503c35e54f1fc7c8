"""Gaps that REST can fill: filled digit for digit, only where something is missing, and absence only with evidence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from collectors.messages import UNPROVED
from collectors.models import Gap, GapStatus
from dataprovider.clickhouse.shards import shard_of
from integrity.models import JobStatus, RecoveryJob, Source
from integrity.recovery import queue
from integrity.recovery.daysrecovery import DaysRecovery
from integrity.recovery.ending import end_of
from integrity.recovery.fill import Stopped
from integrity.recovery.gapplan import plan_gaps
from integrity.recovery.ledger import PostgresLedger
from integrity.recovery.queue import Progress
from tests.clickhouse.trades import Row, columns
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery, Stored

StartExchange = Callable[..., RunningExchange]
MakeRecovery = Callable[..., Recovery]


@pytest.fixture
def recovered(start_exchange: StartExchange, recovery: MakeRecovery) -> Recovery:
    return recovery(start_exchange(symbols=3, rate=30, history_days=1))


def store(recovery: Recovery, trades: list[Stored], token: str, symbol: str = "BTCUSDT") -> None:
    """Put trades into the table as live collection would have."""
    rows = [
        Row(a, at, price, quantity, first, last, maker, symbol) for a, price, quantity, first, last, at, maker in trades
    ]
    recovery.store.insert_trades(columns(rows), token=token, shard=shard_of(symbol), epoch=2**63, query_id="")


def some_ids(recovery: Recovery, count: int, symbol: str = "BTCUSDT") -> int:
    """An id with so many after it, all a minute old at least."""
    now = recovery.exchange.get("/fapi/v1/time")["serverTime"]
    start = now - 3_000_000
    rows = recovery.exchange.get("/fapi/v1/aggTrades", symbol=symbol, startTime=start, endTime=start + 60_000, limit=1)
    first: int = rows[0]["a"]
    assert len(recovery.published(first, first + count - 1, symbol)) == count
    return first


def test_a_gap_is_filled_with_exactly_what_is_missing(recovered: Recovery) -> None:
    first = some_ids(recovered, 3500)
    trades = recovered.published(first, first + 3499)
    store(recovered, [*trades[:500], *trades[2800:]], "live")
    gap = recovered.gap(first + 500, first + 2799)
    (job,) = recovered.run()
    assert (job.status, job.rows_stored, job.units_done, job.units_total) == (JobStatus.DONE, 2300, 2300, 2300)
    assert recovered.stored() == trades
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED


def test_repairing_twice_changes_nothing(recovered: Recovery) -> None:
    first = some_ids(recovered, 600)
    trades = recovered.published(first, first + 599)
    store(recovered, [*trades[:100], *trades[150:200], *trades[500:]], "live")
    for _ in range(2):
        recovered.gap(first + 100, first + 499)
        (job,) = recovered.run()
        assert job.status == JobStatus.DONE
        assert recovered.stored() == trades
    assert list(RecoveryJob.objects.order_by("pk").values_list("rows_stored", flat=True)) == [350, 0]


def test_trades_beyond_the_gap_are_left_to_the_live_worker(recovered: Recovery) -> None:
    """A page has more than was asked for: what a worker still holds in memory would be there twice."""
    first = some_ids(recovered, 500)
    trades = recovered.published(first, first + 499)
    store(recovered, trades[:100], "live")
    recovered.gap(first + 100, first + 119)
    recovered.run()
    assert recovered.stored() == trades[:120]


def test_gaps_in_one_page_cost_one_request(recovered: Recovery) -> None:
    first = some_ids(recovered, 700)
    trades = recovered.published(first, first + 699)
    store(recovered, [trade for n, trade in enumerate(trades) if n % 100 >= 10], "live")
    for start in range(0, 700, 100):
        recovered.gap(first + start, first + start + 9)
    before = recovered.exchange.state["rest"]["weight"]
    (job,) = recovered.run()
    spent = recovered.exchange.state["rest"]["weight"] - before
    assert job.status == JobStatus.DONE
    assert recovered.stored() == trades
    assert spent <= 20 * 2 + 1
    assert set(Gap.objects.values_list("status", flat=True)) == {GapStatus.RECOVERED}


def test_many_gaps_of_one_page_ask_the_table_as_often_as_one(
    recovered: Recovery, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    query = recovered.tools.store.query

    def counted(name: str, **parameters: object) -> object:
        asked.append(name)
        return query(name, **parameters)

    monkeypatch.setattr(recovered.tools.store, "query", counted)
    numbers = {}
    for symbol, gaps in (("BTCUSDT", 90), ("ETHUSDT", 1)):
        first = some_ids(recovered, 900, symbol)
        trades = recovered.published(first, first + 899, symbol)
        store(recovered, [trade for n, trade in enumerate(trades) if n % 10 >= 3 or n >= 10 * gaps], "live", symbol)
        for number in range(gaps):
            recovered.gap(first + 10 * number, first + 10 * number + 2, symbol)
        asked.clear()
        (job,) = recovered.run()
        assert (job.status, job.rows_stored) == (JobStatus.DONE, 3 * gaps)
        assert recovered.stored(symbol) == trades
        numbers[symbol] = asked.count("missing_ranges")
    assert numbers == {"BTCUSDT": 3, "ETHUSDT": 3}


def test_a_gap_of_many_pages_makes_room_for_a_small_one_and_goes_on_where_it_was(recovered: Recovery) -> None:
    first = some_ids(recovered, 12_001)
    small = some_ids(recovered, 5, "ETHUSDT")
    recovered.gap(first, first + 12_000)
    plan_gaps()
    big = queue.claim("test")
    assert big is not None
    recovered.gap(small, small + 4, "ETHUSDT")
    plan_gaps()
    recovered.performer.perform(big)
    big.refresh_from_db()
    assert (big.status, big.reason) == (JobStatus.PENDING, "Makes room for more urgent work.")
    assert 0 < big.rows_stored < 12_001
    # A worker that may take nothing else does not take it again at once.
    assert big.next_attempt_at > timezone.now() + timedelta(seconds=1)
    RecoveryJob.objects.update(next_attempt_at=Now())
    jobs = recovered.run()
    assert [job.symbol.name for job in jobs] == ["ETHUSDT", "BTCUSDT"]
    assert {job.status for job in jobs} == {JobStatus.DONE}
    assert recovered.stored() == recovered.published(first, first + 12_000)


def test_what_the_exchange_lacks_ends_absent_with_its_evidence_and_is_not_asked_for_again(recovered: Recovery) -> None:
    first = some_ids(recovered, 400)
    trades = recovered.published(first, first + 399)
    recovered.exchange.fault("absent", symbol="BTCUSDT", first_id=first + 150, last_id=first + 159)
    store(recovered, [*trades[:100], *trades[300:]], "live")
    partly = recovered.gap(first + 100, first + 299)
    (job,) = recovered.run()
    assert job.status == JobStatus.DONE
    assert recovered.stored() == [*trades[:150], *trades[160:]]
    partly.refresh_from_db()
    assert partly.status == GapStatus.RECOVERED
    absent = Gap.objects.get(status=GapStatus.ABSENT_UPSTREAM)
    assert (absent.first_id, absent.last_id) == (first + 150, first + 159)
    assert absent.evidence["source"] == "rest"
    assert absent.evidence["next_id"] == first + 160
    assert recovered.run() == []


def test_an_id_that_nothing_bore_out_and_that_lies_far_beyond_the_newest_is_absent(recovered: Recovery) -> None:
    newest = recovered.exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", limit=1)[0]["a"]
    absurd = recovered.gap(newest + 10**7, newest + 10**7, evidence={UNPROVED: True})
    soon = recovered.gap(newest + 50_000, newest + 50_000, evidence={UNPROVED: True})
    borne_out = recovered.gap(newest + 2 * 10**7, newest + 2 * 10**7)
    recovered.run()
    for gap in (absurd, soon, borne_out):
        gap.refresh_from_db()
    assert [gap.status for gap in (absurd, soon, borne_out)] == ["absent_upstream", "open", "open"]
    assert absurd.evidence["newest_id"] >= newest
    assert recovered.stored() == []


def test_a_hole_right_before_the_newest_trades_is_not_believed_at_once(recovered: Recovery) -> None:
    now = recovered.exchange.get("/fapi/v1/time")["serverTime"]
    newest = recovered.exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=now - 5_000, endTime=now)
    first = newest[0]["a"]
    recovered.exchange.fault("absent", symbol="BTCUSDT", first_id=first, last_id=first + 2)
    gap = recovered.gap(first, first + 2)
    (job,) = recovered.run()
    assert job.status == JobStatus.PENDING
    assert "believed later" in job.reason
    gap.refresh_from_db()
    assert gap.status == GapStatus.OPEN


def test_two_trades_under_one_aggregate_id_are_both_kept(recovered: Recovery) -> None:
    """SOLUSDT 926014272: one of them came by the stream."""
    first = some_ids(recovered, 50)
    trades = recovered.published(first, first + 49)
    twin = (trades[20][0], trades[20][1], trades[20][2], trades[20][3] + 10**6, trades[20][4] + 10**6, *trades[20][5:])
    store(recovered, [*trades[:20], twin, *trades[40:]], "live")
    recovered.gap(first + 21, first + 39)
    recovered.run()
    assert recovered.stored() == sorted([*trades[:20], twin, *trades[21:]])


def test_a_ban_makes_jobs_wait_and_no_failure_of_them(recovered: Recovery) -> None:
    first = some_ids(recovered, 10)
    recovered.exchange.fault("rate_limit", status=418, seconds=120)
    recovered.gap(first, first + 9)
    (job,) = recovered.run()
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
    assert "ban" in job.reason
    asked = recovered.exchange.state["rest"]["requests"]
    recovered.again()
    assert recovered.exchange.state["rest"]["requests"] == asked


@pytest.mark.parametrize(("status", "word"), [(503, "trouble"), (403, "firewall"), (451, "location")])
def test_an_exchange_that_says_no_makes_jobs_wait_with_the_reason(recovered: Recovery, status: int, word: str) -> None:
    first = some_ids(recovered, 10)
    recovered.exchange.fault("rest_error", status=status)
    recovered.gap(first, first + 9)
    (job,) = recovered.run()
    assert (job.status, job.attempts) == (JobStatus.PENDING, 0)
    assert word in job.reason
    recovered.exchange.delete("/simulator/faults")
    (job,) = recovered.again()
    assert job.status == JobStatus.DONE


def test_a_day_that_comes_by_rest_says_how_much_of_it_is_behind(recovered: Recovery) -> None:
    day = datetime.now(UTC).date() - timedelta(days=1)
    queue.add_days_job(recovered.symbol(), day, day, source=Source.REST, batch="test")
    job = queue.claim("test")
    assert job is not None
    progress, parts = Progress.of(job), []

    def look() -> bool:
        parts.append(progress.result.get("part_of_day", 0))
        return len(parts) > 40

    with pytest.raises(Stopped):
        DaysRecovery(job, recovered.tools, progress, look).run()
    assert parts == sorted(parts)
    assert 0 < parts[-1] < 1


def test_a_large_gap_says_how_much_of_it_is_behind(recovered: Recovery) -> None:
    first = some_ids(recovered, 3500)
    store(recovered, recovered.published(first, first + 99), "live")
    recovered.gap(first + 100, first + 3499)
    plan_gaps()
    job = queue.claim("test")
    assert job is not None
    progress, seen = Progress.of(job), []

    def look() -> bool:
        seen.append(progress.units_done)
        return False

    end_of(job, recovered.tools, progress, look, PostgresLedger())
    assert seen == sorted(seen)
    assert {1000, 2000, 3000} < set(seen)
    assert (progress.units_done, progress.units_total) == (3400, 3400)
