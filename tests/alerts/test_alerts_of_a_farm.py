"""A running farm in which everything happens that people are told of: once when it begins, once when it is over."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.db import Error as DatabaseError
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from collectors.directory import sync_symbols
from collectors.models import UNFINISHED, Gap
from dataprovider.clickhouse import ClickHouse
from dataprovider.embedded import ServiceStack
from integrity.models import Incident, JobStatus, RecoveryJob
from tests.alerts.heard import Heard
from tests.alerts.lookalike import MAIL_PASSWORD, TOKEN, Lookalike, Mailbox
from tests.clickhouse.trades import Row, store
from tests.collectors.test_outages import service_pid
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.integrity.farm import StartCollectors, StartExchange
from tests.waiting import wait_until

HOST = socket.gethostname()
WORKER, LOST = f"worker {HOST}", f"lost {HOST}"
SERVICES = ("service ClickHouse", "service Postgres", "service Valkey")
#: Memory as a disk: it can be filled without harm.
SMALL_DISK = Path("/dev/shm")


@pytest.fixture
def disk() -> Iterator[Path]:
    """A folder on a disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="alerts-", dir=SMALL_DISK if SMALL_DISK.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


def free_percent(folder: Path) -> float:
    usage = shutil.disk_usage(folder)
    return 100 * usage.free / usage.total


def fill(folder: Path, percent: float) -> Path:
    """A file after which not more than so much is free."""
    usage = shutil.disk_usage(folder)
    file = folder / "filling"
    with file.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, usage.free - int(usage.total * percent / 100))
    return file


def contracts_of(exchange: RunningExchange) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = exchange.get("/fapi/v1/exchangeInfo")["symbols"]
    return found


def alert_process(farm: RunningCollectors) -> psutil.Process:
    """The first that the supervisor started beside its workers."""
    workers = {each.pid for each in farm.statuses()}
    others = [
        process
        for server in psutil.Process(farm.process.pid).children()
        for process in server.children()
        if process.pid not in workers
    ]
    return min(others, key=lambda process: process.create_time())


def restart(stack: ServiceStack) -> None:
    wait_until(
        lambda: not stack.check() and all(each.is_running for each in stack.services.values()), 60, "the services"
    )
    wait_until(answers, 20, "Postgres to answer")


def recorded() -> set[str]:
    """The incidents that are open."""
    return set(Incident.objects.filter(ended_at=None).values_list("key", flat=True))


def answers() -> bool:
    try:
        return Incident.objects.count() >= 0
    except DatabaseError:
        connection.close()
        return False


def test_each_alert_comes_once_and_is_over_once(
    start_exchange: StartExchange,
    start_collectors: StartCollectors,
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
    lookalike: Lookalike,
    hook: Lookalike,
    free_port: int,
    open_mailbox: Callable[[], Mailbox],
    disk: Path,
) -> None:
    yesterday = int((time.time() - 86_400) * 1000)
    store(clickhouse, [Row(number, time=yesterday, symbol="OLDUSDT") for number in range(1, 8)])
    limit = min(99, int(free_percent(disk)))
    exchange = start_exchange(symbols=3, rate=40)
    lookalike.answers = [(429, {"ok": False, "parameters": {"retry_after": 1}})]
    settings = {
        "TELEGRAM_ENABLED": "true",
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "42",
        "TELEGRAM_API_URL": lookalike.url,
        "ALERT_WEBHOOK_URL": f"{hook.url}/secret-hook",
        "ALERT_EMAIL_TO": "you@example.com,me@example.com",
        "EMAIL_URL": f"smtp://alerts:{MAIL_PASSWORD}@127.0.0.1:{free_port}",
        "ALERT_PATIENCE_SECONDS": "1",
        "ALERT_LAG_SECONDS": "3",
        "ALERT_DISK_PERCENT": str(limit),
        "RECOVERY_WORKERS": "1",
        "ENABLE_INTEGRITY_CHECKS": "false",
        "ENABLE_DEBUG_LOGGING": "true",
        "SYSTEM_STATS_INTERVAL_SECONDS": "1",
    }
    farm = start_collectors(exchange, home=str(disk / "home"), **settings)
    heard = Heard(lookalike, hook)
    day = f"{datetime.fromtimestamp(yesterday / 1000, UTC):%Y-%m-%d}"

    # Much is wrong when the alerts begin, which is some seconds after collection.
    farm.wait_until_subscribed()
    contracts = contracts_of(exchange)
    exchange.fault("rate_limit", status=418, seconds=4)
    wait_until(lambda: "BTCUSDT" in exchange.sent, 20, "trades")
    exchange.fault("skip", symbol="BTCUSDT", count=5)
    gap = wait_until(lambda: Gap.objects.filter(status__in=UNFINISHED).first(), 20, "the gap")
    assert gap is not None
    Gap.objects.filter(pk=gap.pk).update(opened_at=timezone.now() - timedelta(minutes=20))
    exchange.fault("slow", delay_ms=5000)
    filling = fill(disk, limit - 0.1)
    heard.wait("info", f"start {HOST}", f"summary {day}")
    wait_until(lambda: "Statistics: 3 of 3 contracts received" in farm.log.read_text(), 20, "figures in the log")
    assert heard.text("info", f"summary {day}").startswith(f"{day}: 7 trades of 1 symbol. 0 gaps")
    mailbox = open_mailbox()

    # And more follows, of which the alerts themselves die.
    sync_symbols([*contracts[:-1], {**contracts[-1], "symbol": "NEWUSDT", "status": "SETTLING"}])
    os.kill(farm.statuses()[0].pid, signal.SIGKILL)
    heard.wait("firing", "ban")
    exchange.delete("/simulator/faults")
    heard.wait("firing", WORKER, "lag", "disk", "gaps")
    heard.wait("info", "listings")
    assert heard.text("info", "listings") == f"Listed: NEWUSDT. Delisted: {contracts[-1]['symbol']}."
    wait_until(lambda: heard.by_mail(mailbox) == heard.by_webhook(), 20, "what waited for the mail server")
    wait_until(lambda: recorded() >= {WORKER, "lag", "disk", "gaps"}, 10, "them to be on record")
    alert_process(farm).kill()
    filling.unlink()
    heard.wait("resolved", "ban", "lag", "disk", WORKER)
    RecoveryJob.objects.filter(status=JobStatus.PENDING).update(next_attempt_at=Now())
    heard.wait("resolved", "gaps")

    # The services and the exchange are stopped and started again.
    for service in ("clickhouse", "postgres"):
        os.kill(service_pid(service_stack, service), signal.SIGKILL)
    connection.close()
    exchange.kill()
    heard.wait("firing", "streams", "service ClickHouse", "service Postgres")
    # The alerts die again, just when Postgres does not know what they have told.
    wait_until(lambda: "service Postgres" in (disk / "home" / "alerts.json").read_text(), 5, "a note of it")
    alert_process(farm).kill()
    os.kill(service_pid(service_stack, "valkey"), signal.SIGKILL)
    heard.wait("firing", "service Valkey")
    restart(service_stack)
    start_exchange(symbols=3, rate=40, port=exchange.port)
    heard.wait("resolved", "streams", *SERVICES)

    # The supervisor dies, is started again, and is stopped.
    farm.process.kill()
    farm.process.wait(5)
    heard.wait("firing", LOST)
    wait_until(lambda: recorded() == {LOST}, 10, "it to be on record")
    log = farm.log.read_text()
    farm = start_collectors(exchange, home=str(disk / "home"), **settings)
    heard.wait("resolved", LOST)
    wait_until(lambda: not recorded(), 10, "all ends on record")
    assert farm.stop() == 0
    heard.wait("info", f"stop {HOST}", seconds=5)

    told = heard.states()
    # On a busy machine the stream of the replaced worker may have taken longer than the patience.
    again = told.pop(("firing", "streams")), told.pop(("resolved", "streams"))
    assert again in {(1, 1), (2, 2)}
    incidents = {"ban", "gaps", "lag", "disk", WORKER, LOST, *SERVICES}
    news = {f"start {HOST}": 2, f"stop {HOST}": 1, f"summary {day}": 1, "listings": 1}
    expected = Counter({("info", key): times for key, times in news.items()})
    expected.update((state, key) for state in ("firing", "resolved") for key in incidents)
    assert told == expected
    wait_until(lambda: heard.by_telegram() == heard.by_mail(mailbox) == heard.by_webhook(), 5, "the same by all")
    assert mailbox.receivers == {"you@example.com", "me@example.com"}
    assert "secret" not in log + farm.log.read_text()
