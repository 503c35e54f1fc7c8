"""The dashboard and the admin as a person uses them, in a real browser, beside a running farm."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections

from integrity.models import JobKind, JobStatus, RecoveryJob
from tests.api.conftest import StartServer
from tests.fixtures_exchange import RunningExchange
from tests.integrity.farm import StartCollectors, StartExchange, started
from tests.waiting import wait_until

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: run `make install-dev`")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DESKTOP, PHONE = {"width": 1400, "height": 900}, {"width": 390, "height": 844}
SECONDS = 1000

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install the package chromium to run these"),
]


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    # Playwright's loop runs in this thread, and nothing else does in it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
        # Those of this loop, which nobody else would close.
        connections.close_all()


class Page:
    """A page, and what went wrong on it."""

    def __init__(self, browser: Any, size: dict[str, int]) -> None:
        self.page = browser.new_context(viewport=size, has_touch=size is PHONE).new_page()
        self.page.set_default_timeout(30 * SECONDS)
        self.trouble: list[str] = []
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("response", self._answered)

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.trouble.append(f"{response.status} {response.url}")

    def text(self, selector: str) -> str:
        found: str = self.page.text_content(selector)
        return found

    def wait(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def may_not_scroll_sideways(self) -> None:
        wide = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1], f"{self.page.url} scrolls sideways"

    def log_in(self, address: str) -> None:
        self.page.goto(f"{address}/admin/")
        self.page.fill("#id_username", "boss")
        self.page.fill("#id_password", "secret-of-this-test")
        self.page.click("[type=submit]")

    def act(self, address: str, row: str, action: str) -> None:
        """Choose an action for one row of a list in the admin."""
        self.page.goto(address)
        self.page.check(f"tr:has(a:text-is('{row}')) .action-select")
        self.page.select_option("[name=action]", action)
        self.page.click("[name=index]")


def receives(exchange: RunningExchange, streams: int) -> bool:
    """Whether so many symbols are streamed."""
    return bool(exchange.state["subscriptions"] == streams)


@pytest.mark.timeout(240)
def test_a_person_sees_a_candle_change_types_173_stops_a_symbol_and_watches_a_backfill(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    start_server: StartServer,
    browser: Any,
    tmp_path: Path,
) -> None:
    exchange, _ = started(start_exchange, start_collectors, symbols=5, rate=20, history_days=2, archive_delay_hours=-1)
    address = start_server(BINANCE_REST_URL=exchange.url).url
    for size in (DESKTOP, PHONE):
        look = Page(browser, size)
        look.page.goto(f"{address}/#BTCUSDT/1")
        look.wait("document.querySelectorAll('#symbols button').length === 5")
        look.wait("document.getElementById('live').textContent === 'live'")
        look.wait("/C [0-9]/.test(document.getElementById('legend').textContent)")
        look.wait("/^[0-9]+ m?s$/.test(document.getElementById('total-delay').textContent)")
        before = look.text("#legend")
        look.page.wait_for_function("before => document.getElementById('legend').textContent !== before", arg=before)
        look.page.fill("#timeframe", "173")
        look.page.press("#timeframe", "Enter")
        look.wait("document.getElementById('chart').getAttribute('aria-label').includes(', 173 minutes. Newest: 2')")
        assert look.page.url.endswith("#BTCUSDT/173")
        assert look.page.get_attribute("#presets [data-minutes='173']", "aria-pressed") == "true"
        look.page.fill("#timeframe", "0")
        look.page.press("#timeframe", "Enter")
        assert "from 1 to 43200" in look.text("#chart-message")
        look.may_not_scroll_sideways()
        assert look.trouble == []
        look.page.context.close()

    get_user_model().objects.create_superuser("boss", "", "secret-of-this-test")
    for size, symbol, left in ((DESKTOP, "ETHUSDT", 4), (PHONE, "BNBUSDT", 3)):
        look = Page(browser, size)
        look.log_in(address)
        look.act(f"{address}/admin/collectors/symbol/?q={symbol}", symbol, "disable")
        look.page.click("input[value='Stop collecting these symbols']")
        assert "1 symbol is no longer collected" in look.text(".messagelist")
        wait_until(partial(receives, exchange, left), 20, "its stream to be given up")
        sent = exchange.sent[symbol]["count"]
        if size is DESKTOP:
            look.page.goto(f"{address}/#{symbol}/1")
            look.wait(f"document.querySelector('[data-symbol={symbol}]')?.textContent.includes('paused')")
        yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
        look.act(f"{address}/admin/collectors/symbol/?q={symbol}", symbol, "backfill")
        look.page.fill("[name=first]", yesterday)
        look.page.fill("[name=last]", yesterday)
        look.page.click("input[value=Backfill]")
        assert "1 job now waiting" in look.text(".messagelist")
        look.page.click(".messagelist a")
        look.page.wait_for_selector("progress.job")
        look.page.evaluate("window.before = document.querySelector('progress.job').value")
        look.page.wait_for_function(
            "document.querySelector('[data-field=status]').textContent === 'done'"
            " && document.querySelector('progress.job').value === document.querySelector('progress.job').max",
            timeout=90 * SECONDS,
        )
        assert look.page.evaluate("before < document.querySelector('progress.job').max"), "the page was loaded again"
        for page in ("", "collectors/symbol/", "collectors/gap/", "integrity/recoveryjob/"):
            look.page.goto(f"{address}/admin/{page}")
            look.may_not_scroll_sideways()
        assert RecoveryJob.objects.get(symbol__name=symbol, kind=JobKind.DAYS).status == JobStatus.DONE
        assert exchange.sent[symbol]["count"] == sent
        assert look.trouble == []
        look.page.context.close()
