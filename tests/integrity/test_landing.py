"""The landing page of the admin: what needs attention, each with the list that shows it; it opens in every state."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import orjson
import pytest
from django.conf import settings
from django.test import Client
from redis import Redis

from collectors.board import board_key
from collectors.models import Gap, GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from dataprovider.heartbeat import HostStatus, WorkerStatus, write_host, write_worker
from integrity.models import CheckResult, Incident, IntegrityRun, JobKind, JobStatus, MonthCheck, RecoveryJob
from integrity.recovery import queue
from tests.integrity.rows import make_gap, make_job, make_symbol

pytestmark = pytest.mark.django_db

NOW = datetime.now(UTC)


@pytest.fixture
def _collecting(clickhouse: ClickHouse, settings: Any) -> None:
    """Every service answers, a host lives with its worker, and BTCUSDT was heard of a moment ago."""
    # However full the disk is that the tests run on.
    settings.CONFIG = settings.CONFIG.model_copy(update={"alert_disk_percent": 0})
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.flushdb()
        write_host(redis, HostStatus("alpha:1:a", 1, 1, 16, 1, 0, postgres_away=False, updated_ms=1, synced=True))
        write_worker(redis, WorkerStatus("alpha:1:a", 0, 7, list(range(16)), trades_per_s=5.5))
        heard("BTCUSDT", 0)


def heard(name: str, hours_ago: float) -> None:
    seen = int((NOW.timestamp() - hours_ago * 3600) * 1000)
    with Redis.from_url(settings.REDIS_URL) as redis:
        redis.hset(board_key(shard_of(name)), name, orjson.dumps([seen, 1, 1, 0, seen]))


def aged(symbol: Symbol) -> Symbol:
    Symbol.objects.filter(pk=symbol.pk).update(updated_at=NOW - timedelta(days=1))
    return symbol


def said(client: Client) -> dict[str, tuple[str, str]]:
    """Title -> sentence and address of each thing that needs attention."""
    answer = client.get("/admin/")
    assert answer.status_code == 200
    items = re.findall(
        r'<span class="kind">(.*?)</span> <span class="said">(.*?)</span>(?: <a href="(.*?)")?', answer.text
    )
    return {kind: (unescape(text), unescape(address)) for kind, text, address in items}


@pytest.mark.usefixtures("_collecting")
def test_when_all_is_well_it_says_so(admin_client: Client) -> None:
    aged(make_symbol())
    # What is young, over or being worked on is no matter for a person.
    make_job(make_symbol("ETHUSDT"))
    IntegrityRun.objects.create(started_at=NOW, finished_at=NOW, symbols=2)
    assert said(admin_client) == {}
    page = admin_client.get("/admin/").text
    assert "Nothing needs attention" in page
    assert "2 symbols" in page


@pytest.mark.usefixtures("_collecting")
def test_each_thing_that_needs_attention_leads_to_a_list_of_just_that(admin_client: Client) -> None:
    bitcoin, ether = aged(make_symbol()), aged(make_symbol("ETHUSDT"))
    heard("ETHUSDT", 2)
    make_symbol("PAUSEDUSDT", enabled=False)
    job = make_job(bitcoin, 5, 9)
    RecoveryJob.objects.filter(pk=job.pk).update(status=JobStatus.FAILED, reason="The file is broken.")
    Gap.objects.update(opened_at=NOW - timedelta(hours=2))
    make_gap(ether, 100, 109)
    make_gap(ether, 500, 509, status=GapStatus.RECOVERED)
    Incident.objects.create(key="spool alpha", text="The spool fills.")
    Incident.objects.create(key="lag", text="Was slow.", ended_at=NOW)
    fields = {"rows": 1, "first_id": 1, "last_id": 1, "fingerprint": "1", "checked_at": NOW}
    MonthCheck.objects.create(symbol=bitcoin, month="2024-01-01", result=CheckResult.HOLES, missing=3, **fields)
    MonthCheck.objects.create(symbol=bitcoin, month="2024-02-01", result=CheckResult.PROVED, **fields)
    # History of it is being brought in: the next checks find it whole.
    MonthCheck.objects.create(symbol=ether, month="2024-02-01", result=CheckResult.HOLES, missing=3, **fields)
    queue.add_days_job(ether, date(2024, 2, 10), date(2024, 3, 1), source="auto", batch="test")
    found = said(admin_client)
    assert found["Gaps are not closed in time"][0].startswith(
        "1 gap (5 trades) not closed after 15 min; the oldest, of BTCUSDT"
    )
    assert found["Jobs set aside"][0] == "1 job set aside; the last, of BTCUSDT: The file is broken."
    assert found["Silent"][0] == "1 symbol not heard of for an hour: ETHUSDT."
    assert found["Paused"][0] == "1 symbol not collected: PAUSEDUSDT."
    assert found["Open incident"][0] == "The spool fills."
    assert found["Checks found holes"][0] == "1 month in which ids were missing at the last check."
    assert len(found) == 6
    RecoveryJob.objects.filter(kind=JobKind.DAYS).update(status=JobStatus.CANCELLED)
    assert said(admin_client)["Checks found holes"][0].startswith("2 months")
    MonthCheck.objects.filter(symbol=ether).delete()
    for title, (_, address) in found.items():
        assert re.search(r'class="paginator">\s*1 ', admin_client.get(address).text), title


@pytest.mark.usefixtures("_collecting")
def test_what_load_only_tickers_leaves_out_is_not_missed_and_slips_in_it_are(
    admin_client: Client, settings: Any
) -> None:
    for name in ("BTCUSDT", "ETHUSDT", "XRPUSDT"):
        aged(make_symbol(name))
    assert said(admin_client)["Silent"][0] == "2 symbols not heard of for an hour: ETHUSDT, XRPUSDT."
    only = ("BTCUSDT", "BTC-USDT", "FOOUSDT")
    settings.CONFIG = settings.CONFIG.model_copy(update={"load_only_tickers": only})
    told = "LOAD_ONLY_TICKERS names what the exchange does not list: BTC-USDT, FOOUSDT."
    assert {title: text for title, (text, _) in said(admin_client).items()} == {"Not listed": told}
    assert re.search(r">1</a> <span class=\"more\">collected of 3", admin_client.get("/admin/").text)
    for collection, rows in (("collected", 1), ("left_out", 2)):
        text = admin_client.get(f"/admin/collectors/symbol/?collection={collection}").text
        assert re.search(rf'class="paginator">\s*{rows} ', text), collection


def test_it_opens_and_says_so_while_clickhouse_and_valkey_are_away(admin_client: Client, settings: Any) -> None:
    away = {
        "alert_disk_percent": 0,
        "clickhouse_host": "127.0.0.1",
        "clickhouse_native_port": 1,
        "clickhouse_nodes": "",
        "redis_url": "redis://127.0.0.1:1/0",
    }
    settings.CONFIG = settings.CONFIG.model_copy(update=away)
    settings.REDIS_URL = away["redis_url"]
    make_symbol()
    titles = re.findall(r'class="said">(\w+) does not answer', admin_client.get("/admin/").text)
    assert titles == ["ClickHouse", "Valkey"]
    answer = admin_client.get("/admin/collectors/symbol/?collection=silent")
    assert answer.status_code == 200
    assert "cannot be told now" in answer.text
