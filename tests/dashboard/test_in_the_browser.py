"""The dashboard and the admin as a person uses them, in a real browser, beside a running farm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from integrity.models import JobKind, JobStatus, RecoveryJob
from tests.api.conftest import StartServer
from tests.dashboard.browser import DESKTOP, PHONE, SECONDS, Page, needs_chromium
from tests.fixtures_exchange import RunningExchange
from tests.integrity.farm import StartCollectors, StartExchange, started
from tests.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), needs_chromium]


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
