"""The dashboard by keyboard, with addresses that name nothing, and while services are away."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model

from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus, RecoveryJob
from integrity.recovery import queue
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import Row, store
from tests.dashboard.browser import DESKTOP, Page, needs_chromium
from tests.integrity.rows import make_job, make_symbol

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium]

FOCUSED = "document.activeElement.dataset.symbol ?? document.activeElement.id"


def test_the_list_is_one_stop_of_the_keyboard_and_says_when_it_is_empty(
    server: Server, clickhouse: ClickHouse, browser: Any
) -> None:
    for name in ("ADAUSDT", "BTCUSDT", "ETHUSDT"):
        make_symbol(name)
    store(clickhouse, [Row(1)])
    look = Page(browser, DESKTOP)
    look.page.goto(f"{server.url}/#NOPE/5")
    look.wait("document.querySelectorAll('#symbols button').length === 3")
    look.wait("document.getElementById('chart-title').textContent === 'BTCUSDT'")
    look.wait("document.getElementById('chart-message').textContent === 'There is no symbol NOPE here.'")
    look.page.select_option("#order", "name")
    keyboard = look.page.keyboard
    look.page.focus("#order")
    seen = []
    for key in ("Tab", "ArrowDown", "ArrowUp", "ArrowUp", "End", "Home", "Tab", "Shift+Tab"):
        keyboard.press(key)
        seen.append(look.page.evaluate(FOCUSED))
    assert seen == ["BTCUSDT", "ETHUSDT", "BTCUSDT", "ADAUSDT", "ETHUSDT", "ADAUSDT", "timeframe", "ADAUSDT"]
    look.page.fill("#search", "zz")
    look.wait("document.getElementById('symbols').textContent === 'No symbol has ZZ in its name.'")
    look.page.goto("about:blank")
    look.page.goto(f"{server.url}/#%zz")
    look.wait("document.getElementById('chart-title').textContent === 'BTCUSDT'")
    assert look.trouble == []
    look.page.context.close()


def test_what_is_not_known_is_not_shown_as_known(
    start_server: StartServer, clickhouse: ClickHouse, browser: Any
) -> None:
    store(clickhouse, [Row(1)])
    nowhere = {"REDIS_URL": "redis://127.0.0.1:1/0", "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    look = Page(browser, DESKTOP)
    look.page.goto(start_server(**nowhere).url)
    look.wait("document.getElementById('live').textContent === 'not live: Valkey is away'")
    look.wait("document.getElementById('total-collecting').textContent === '–'")
    said = "Postgres and Valkey do not answer: what only they know is not shown."
    assert look.text("#alert") == said
    look.page.context.close()


def test_a_jobs_page_grows_with_what_happens_to_it(server: Server, browser: Any) -> None:
    get_user_model().objects.create_superuser("boss", "", "secret-of-this-test")
    job = make_job(make_symbol())
    look = Page(browser, DESKTOP)
    look.log_in(server.url)
    look.page.goto(f"{server.url}/admin/integrity/recoveryjob/{job.pk}/change/")
    happened = """[...document.querySelectorAll('#events-group tr.form-row')].map(
        (row) => [...row.querySelectorAll('.field-status, .field-text')].map((cell) => cell.innerText.trim()))"""
    assert [text for _, text in look.page.evaluate(happened)] == ["A gap is to be filled."]
    queue.claim("one")
    look.wait("document.querySelector('[data-field=status]').textContent === 'running'")
    RecoveryJob.objects.update(status=JobStatus.PENDING, claim=None, lease_expires_at=None)
    queue.cancel(job)
    look.wait("document.querySelector('[data-field=status]').textContent === 'cancelled'")
    told = [
        ["waiting", "A gap is to be filled."],
        ["running", "Taken by one."],
        ["cancelled", "Cancelled while it waited."],
    ]
    assert look.page.evaluate(happened) == told
    assert look.trouble == []
    look.page.context.close()
