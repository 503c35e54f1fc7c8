"""The admin of recovery: every page opens, and every action does what it says."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.admin.shapes import duration, outcome
from integrity.models import CheckResult, IntegrityRun, JobKind, JobStatus, MonthCheck, RecoveryJob
from integrity.models.jobs import NOW_PRIORITY
from integrity.recovery import queue
from integrity.recovery.queue import Progress
from tests.clickhouse.trades import NEW_YEAR, Row
from tests.clickhouse.trades import store as store_rows
from tests.integrity.rows import make_gap, make_job, make_symbol

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> Client:
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("boss"))
    return client


#: The answer to an action's question.
SURE = {"answered": "yes"}


def act(client: Client, page: str, action: str, *rows: int, **more: str) -> str:
    """Choose an action for rows of a list, and the page that comes of it."""
    answer = client.post(
        f"/admin/{page}/", {"action": action, "_selected_action": [str(row) for row in rows], **more}, follow=True
    )
    assert answer.status_code == 200
    return answer.content.decode()


PAGES = (
    "collectors/symbol",
    "collectors/shardlease",
    "collectors/gap",
    "collectors/streamboundary",
    "integrity/recoveryjob",
    "integrity/monthcheck",
    "integrity/symboltrust",
    "integrity/integrityrun",
    "integrity/archivefile",
)


def test_times_are_said_to_the_second(admin: Client) -> None:
    job = make_job(make_symbol())
    (event,) = job.events.all()
    page = admin.get(f"/admin/integrity/recoveryjob/{job.pk}/change/").content.decode()
    assert f"{event.at:%Y-%m-%d %H:%M:%S}" in page


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens(admin: Client, page: str) -> None:
    job = make_job(make_symbol())
    MonthCheck.objects.create(
        symbol=job.symbol,
        month="2024-01-01",
        result=CheckResult.PROVED,
        rows=1,
        first_id=1,
        last_id=1,
        fingerprint="1",
        checked_at=datetime.now(UTC),
    )
    IntegrityRun.objects.create(started_at=datetime.now(UTC))
    assert admin.get(f"/admin/{page}/").status_code == 200
    assert admin.get(f"/admin/{page}/?q=BTC").status_code == 200


def test_a_job_shows_its_progress_its_time_left_and_its_events(admin: Client) -> None:
    job = make_job(make_symbol())
    run = queue.claim("one")
    assert run is not None
    queue.heartbeat(run, Progress(40, 40, 40, 100, "140"))
    text = admin.get("/admin/integrity/recoveryjob/").content.decode()
    assert 'value="40" max="100"' in text
    assert " left</span>" in text
    queue.heartbeat(run, Progress(40, 40, 40, 100, "140", {"part_of_day": 0.5}))
    assert 'value="40.5" max="100"' in admin.get("/admin/integrity/recoveryjob/").content.decode()
    detail = admin.get(f"/admin/integrity/recoveryjob/{job.pk}/change/").content.decode()
    assert "Taken by one." in detail
    told = admin.get(f"/admin/integrity/recoveryjob/progress/?ids={job.pk},x,{'9' * 30}").json()["jobs"][str(job.pk)]
    assert (told["done"], told["total"], told["over"], told["fields"]["percent"]) == (40.5, 100, False, "40 %")
    wanted, taken = job.events.all()
    address = f"/admin/integrity/recoveryjob/progress/?ids={job.pk}&events={job.pk}&after="
    assert [each["id"] for each in admin.get(f"{address}0").json()["events"]] == [wanted.pk, taken.pk]
    (event,) = admin.get(f"{address}{wanted.pk}").json()["events"]
    assert event == {
        "id": taken.pk,
        "at": f"{taken.at:%Y-%m-%d %H:%M:%S}",
        "status": "running",
        "text": "Taken by one.",
    }
    assert "events" not in admin.get(f"{address}{'9' * 30}").json()


def test_jobs_are_cancelled_retried_and_moved(admin: Client) -> None:
    job = make_job(make_symbol())
    assert "can be tried again" in act(admin, "integrity/recoveryjob", "cancel", job.pk)
    assert RecoveryJob.objects.get().status == JobStatus.PENDING
    assert "1 job: cancelled" in act(admin, "integrity/recoveryjob", "cancel", job.pk, **SURE)
    assert RecoveryJob.objects.get().status == JobStatus.CANCELLED
    assert "1 job left alone: it is over already." in act(admin, "integrity/recoveryjob", "cancel", job.pk, **SURE)
    assert "None of the selected jobs exists" in act(admin, "integrity/recoveryjob", "cancel", job.pk + 1)
    assert "1 job: tried again" in act(admin, "integrity/recoveryjob", "retry", job.pk, **SURE)
    act(admin, "integrity/recoveryjob", "sooner", job.pk)
    assert RecoveryJob.objects.get().priority == 150
    act(admin, "integrity/recoveryjob", "later", job.pk)
    assert RecoveryJob.objects.get().priority == 100
    queue.claim("one")
    assert "it is not waiting" in act(admin, "integrity/recoveryjob", "sooner", job.pk)
    assert RecoveryJob.objects.get().priority == 100


def test_recover_now_makes_a_job_or_takes_up_the_one_that_was_set_aside(admin: Client) -> None:
    gap = make_gap(make_symbol("AUSDT"), 5, 9)
    assert "1 gap next in turn" in act(admin, "collectors/gap", "recover_now", gap.pk, **SURE)
    assert "None of the selected gaps exists" in act(admin, "collectors/gap", "recover_now", gap.pk + 1)
    assert RecoveryJob.objects.get().status == JobStatus.PENDING
    RecoveryJob.objects.update(status=JobStatus.FAILED, attempts=8)
    act(admin, "collectors/gap", "recover_now", gap.pk, **SURE)
    assert (RecoveryJob.objects.get().status, RecoveryJob.objects.get().attempts) == (JobStatus.PENDING, 0)
    assert RecoveryJob.objects.get().priority == NOW_PRIORITY


def test_a_form_that_is_too_old_is_a_sentence() -> None:
    answer = Client(enforce_csrf_checks=True).post("/admin/login/", {"username": "boss", "password": "x"})
    assert (answer.status_code, "open it again, and send it once more" in answer.text) == (403, True)


def test_who_did_what_is_in_the_history_of_each_row(admin: Client) -> None:
    symbol = make_symbol()
    job = make_job(symbol)
    gap = Gap.objects.get()
    taken = (
        ("collectors/symbol", symbol.pk, "disable", "Switched off."),
        ("collectors/symbol", symbol.pk, "enable", "Switched on."),
        ("collectors/symbol", symbol.pk, "backfill", "Backfill of 2024-01-01 to 2024-01-02 asked for."),
        ("collectors/gap", gap.pk, "recover_now", "Recovered next."),
        ("integrity/recoveryjob", job.pk, "later", "Priority 50 lower."),
        ("integrity/recoveryjob", job.pk, "cancel", "Cancelled."),
        ("integrity/recoveryjob", job.pk, "retry", "Tried again."),
        ("collectors/gap", gap.pk, "accept_as_absent", "Accepted as absent upstream: it never was."),
    )
    more = {"first": "2024-01-01", "last": "2024-01-02", "source": "auto", "reason": "it never was.", "shown_at": "9e9"}
    for page, row, action, what in taken:
        act(admin, page, action, row, **SURE, **more)
        history = admin.get(f"/admin/{page}/{row}/history/").content.decode()
        assert history.count(what) == 1, action
        assert "<td>boss</td>" in history
    # What was so already was not done by anybody.
    act(admin, "collectors/symbol", "enable", symbol.pk, **SURE)
    assert admin.get(f"/admin/collectors/symbol/{symbol.pk}/history/").content.decode().count("Switched on.") == 1


def test_a_job_tells_its_result_in_words() -> None:
    assert outcome({}) == "–"
    days = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-02-01"]
    told = "4 days to do: 2024-01-01 to 2024-01-03, 2024-02-01. 1 day without an archive: 2024-01-09."
    assert outcome({"left": days, "no_archive": ["2024-01-09"], "part_of_day": 0.5}) == told
    assert outcome({"absent": 1}) == "1 id absent upstream."


def test_gaps_are_found_by_their_age(admin: Client) -> None:
    symbol = make_symbol()
    for number, hours in enumerate((0.5, 5, 50, 500)):
        gap = make_gap(symbol, 1000 * number + 1, 1000 * number + 9)
        Gap.objects.filter(pk=gap.pk).update(opened_at=datetime.now(UTC) - timedelta(hours=hours))
    for number, age in enumerate(("hour", "day", "week", "older")):
        page = admin.get(f"/admin/collectors/gap/?age={age}").content.decode()
        assert [first for first in (1, 1001, 2001, 3001) if f">{first}–" in page] == [1000 * number + 1], age


def test_days_that_cannot_be_and_more_symbols_than_a_request_can_check_are_said(admin: Client) -> None:
    symbol = make_symbol()
    for first, last in (("2019-01-01", "2024-01-01"), ("2024-01-01", "2999-01-01")):
        days = {"answered": "1", "first": first, "last": last, "source": "auto"}
        assert "from 2019-09-01 at the earliest" in act(admin, "collectors/symbol", "backfill", symbol.pk, **days)
    assert not RecoveryJob.objects.exists()
    many = [symbol.pk, *(make_symbol(f"S{number}USDT").pk for number in range(50))]
    assert "At most 50 at a time" in act(admin, "collectors/symbol", "verify_now", *many)


def test_accepting_a_gap_as_absent_wants_a_reason_and_keeps_it(admin: Client) -> None:
    gap = make_gap(make_symbol(), 5, 9)
    assert "taken for ids that the exchange itself does not have" in act(
        admin, "collectors/gap", "accept_as_absent", gap.pk
    )
    assert "This field is required" in act(
        admin, "collectors/gap", "accept_as_absent", gap.pk, answered="yes", reason=""
    )
    assert Gap.objects.get().status == GapStatus.OPEN
    page = act(admin, "collectors/gap", "accept_as_absent", gap.pk)
    found = re.search(r'name="shown_at" value="([0-9.]+)"', page)
    assert found
    sure = {"answered": "yes", "reason": "a halt", "shown_at": found[1]}
    # It has grown since the page was shown: what is on it now nobody looked at.
    Gap.objects.update(last_id=900, updated_at=timezone.now())
    assert "0 of 1 gap accepted" in act(admin, "collectors/gap", "accept_as_absent", gap.pk, **sure)
    assert Gap.objects.get().status == GapStatus.OPEN
    page = act(admin, "collectors/gap", "accept_as_absent", gap.pk, **{**sure, "shown_at": str(time.time())})
    assert "1 of 1 gap accepted" in page
    gap.refresh_from_db()
    assert gap.status == GapStatus.ABSENT_UPSTREAM
    assert (gap.evidence["by"], gap.evidence["reason"]) == ("boss", "a halt")


def test_a_backfill_asks_for_days_and_makes_jobs_month_by_month(admin: Client) -> None:
    symbol = make_symbol()
    assert "What is missing of these days" in act(admin, "collectors/symbol", "backfill", symbol.pk)
    wrong = act(
        admin,
        "collectors/symbol",
        "backfill",
        symbol.pk,
        answered="1",
        first="2024-02-02",
        last="2024-01-01",
        source="auto",
    )
    assert "turn them round" in wrong
    done = act(
        admin,
        "collectors/symbol",
        "backfill",
        symbol.pk,
        answered="1",
        first="2024-01-30",
        last="2024-02-02",
        source="archive",
    )
    assert "2 jobs now waiting" in done
    again = act(
        admin,
        "collectors/symbol",
        "backfill",
        symbol.pk,
        answered="1",
        first="2024-02-01",
        last="2024-02-02",
        source="archive",
    )
    assert "1 job of the same days waiting or running already" in again
    assert "now waiting" not in again
    assert RecoveryJob.objects.filter(kind=JobKind.DAYS, source="archive").count() == 2


def test_verify_now_says_what_it_found(admin: Client, clickhouse: ClickHouse) -> None:
    symbol = make_symbol()
    store_rows(clickhouse, [Row(n, NEW_YEAR + n * 1000) for n in range(300) if n not in (100, 101)])
    page = act(admin, "collectors/symbol", "verify_now", symbol.pk)
    assert "1 symbol checked: 2 ids missing" in page
    assert Gap.objects.filter(first_id=100, last_id=101).exists()


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (130, "2 min"), (12_000, "3 h 20 min"), (187_200, "2 d 4 h")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text
