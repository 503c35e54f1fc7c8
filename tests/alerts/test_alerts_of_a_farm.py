"""A running farm tells Telegram what needs a person, once, and when it is over, once."""

from __future__ import annotations

import os
import signal
from datetime import timedelta

from django.utils import timezone

from collectors.models import GapStatus, Symbol
from integrity.models import Incident
from tests.alerts.lookalike import TOKEN, Lookalike
from tests.fixtures_collectors import RunningCollectors
from tests.integrity.farm import StartCollectors, StartExchange
from tests.integrity.rows import make_gap
from tests.waiting import wait_until


def workers(farm: RunningCollectors) -> list[int]:
    return [each.pid for each in farm.statuses()]


def test_start_lost_worker_old_gap_and_stop_are_told_once(
    start_exchange: StartExchange, start_collectors: StartCollectors, lookalike: Lookalike
) -> None:
    exchange = start_exchange(symbols=3, rate=30)
    farm = start_collectors(
        exchange,
        TELEGRAM_ENABLED="true",
        TELEGRAM_BOT_TOKEN=TOKEN,
        TELEGRAM_CHAT_ID="42",
        TELEGRAM_API_URL=lookalike.url,
        ALERT_PATIENCE_SECONDS="1",
        ALERT_DISK_PERCENT="0",
        ALERT_LAG_SECONDS="300",
    )
    farm.wait_until_subscribed()

    def told(words: str) -> int:
        return sum(words in line for line in lookalike.lines())

    wait_until(lambda: told("ℹ️ DataProvider starts on"), 30, "the start")
    wait_until(lambda: len(workers(farm)) == 2, 20, "both workers")
    os.kill(workers(farm)[0], signal.SIGKILL)
    wait_until(lambda: told("ended and was replaced"), 30, "the lost worker")
    gap = make_gap(Symbol.objects.order_by("name")[0], 5, 9)
    type(gap).objects.filter(pk=gap.pk).update(opened_at=timezone.now() - timedelta(minutes=20))
    wait_until(lambda: told("🔴 1 gap (5 trades) not closed after 15 min"), 30, "the old gap")
    wait_until(lambda: Incident.objects.filter(key="gaps", ended_at=None).exists(), 10, "it to be on record")
    type(gap).objects.filter(pk=gap.pk).update(status=GapStatus.RECOVERED)
    wait_until(lambda: told("🟢 Over: 1 gap (5 trades)"), 30, "its end")
    wait_until(lambda: not Incident.objects.filter(key="gaps", ended_at=None).exists(), 10, "its end on record")
    wait_until(lambda: told("🟢 Over: A worker on"), 90, "the end of mourning")
    assert farm.stop() == 0
    wait_until(lambda: told("ℹ️ DataProvider stops on"), 10, "the stop")
    lines = lookalike.lines()
    assert len(lines) == len(set(lines)), "something was told twice"
    assert TOKEN not in farm.log.read_text()
