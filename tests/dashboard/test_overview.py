"""What the dashboard asks for: everything at a glance, and a contract's months."""

from __future__ import annotations

from datetime import UTC, date, datetime

import orjson
import pytest
from redis import Redis

from collectors.board import board_key
from collectors.models import GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from integrity.checks.months import MonthState, months_of
from integrity.models import CheckResult, MonthCheck
from integrity.recovery import queue
from integrity.recovery.queue import Progress
from tests.api.conftest import Server, StartServer
from tests.api.test_health import AWAY
from tests.clickhouse.trades import Row, store
from tests.integrity.rows import make_gap, make_job, make_symbol
from tests.tickers.rows import carry, hold

pytestmark = pytest.mark.django_db(transaction=True)

OVERVIEW, MONTHS = "/api/v1/monitoring/overview", "/api/v1/integrity/months"
TODAY = date(2020, 6, 15)


def test_the_overview_puts_together_what_each_service_knows(
    start_server: StartServer, clickhouse: ClickHouse, redis: Redis
) -> None:
    make_job(make_symbol("BTCUSDT"), 5, 9)
    make_symbol("ETHUSDT", enabled=False)
    hold("BTCUSDT")
    carry(redis, "BTCUSDT")
    store(clickhouse, [Row(1)])
    line = [60_000, 4_228_350_000_000, 30, 0, 90_000]
    redis.hset(board_key(shard_of("BTCUSDT")), "BTCUSDT", orjson.dumps(line))
    run = queue.claim("one")
    assert run is not None
    queue.heartbeat(run, Progress(3, 2, 2, 5, "7"))
    found = start_server().data(OVERVIEW)
    assert found["unavailable"] == []
    totals = found["totals"]
    assert (totals["symbols"], totals["collecting"], totals["rows"], totals["open_gaps"]) == (2, 1, 1, 1)
    assert (totals["missing_ids"], totals["trades_per_s"], totals["lag_ms"]) == (5, 5.5, 12.0)
    assert totals["storage_delay_ms"] == found["workers"][0]["storage_delay_ms"] == 640
    bitcoin, ether = found["tickers"]
    assert (bitcoin["price"], bitcoin["trades_per_s"], bitcoin["seen_at"]) == ("42283.5", 1.0, 90_000)
    assert (bitcoin["quality"], bitcoin["open_gaps"], bitcoin["missing_ids"]) == ("partial", 1, 5)
    assert (ether["state"], ether["price"]) == ("paused", None)
    (job,) = found["jobs"]["shown"]
    assert (job["symbol"], job["status"], job["done"], job["rows_stored"]) == ("BTCUSDT", "running", 0.4, 2)
    assert (found["jobs"]["running"], found["jobs"]["waiting"]) == (1, 0)
    assert found["workers"][0]["symbols"] == 1
    assert found["weight"]["state"] == "free"


def test_without_any_service_the_overview_says_so(start_server: StartServer) -> None:
    found = start_server(**AWAY).data(OVERVIEW)
    assert found["unavailable"] == ["postgres", "clickhouse", "redis"]
    assert (found["jobs"], found["workers"], found["tickers"]) == (None, [], [])
    assert found["weight"]["state"] == "unavailable"
    assert found["totals"]["collecting"] is None, "nobody knows, which is not none"


def check(symbol: Symbol, month: date, result: CheckResult, **fields: int) -> None:
    MonthCheck.objects.create(
        symbol=symbol,
        month=month,
        result=result,
        rows=10,
        first_id=1,
        last_id=10,
        fingerprint="1",
        checked_at=datetime.now(UTC),
        **fields,
    )


def test_each_month_since_the_listing_has_its_state() -> None:
    symbol = make_symbol()
    check(symbol, date(2020, 2, 1), CheckResult.PROVED)
    check(symbol, date(2020, 3, 1), CheckResult.PROVED, absent=2)
    check(symbol, date(2020, 4, 1), CheckResult.HOLES, missing=3)
    check(symbol, date(2020, 6, 1), CheckResult.CONTIGUOUS)
    queue.add_days_job(symbol, date(2020, 4, 20), date(2020, 5, 3), source="auto", batch="b")
    # A job of months before is no loading of this one.
    assert [(each.month.month, each.state) for each in months_of(symbol, TODAY)] == [
        (1, MonthState.NONE),
        (2, MonthState.PROVED),
        (3, MonthState.ABSENT_UPSTREAM),
        (4, MonthState.PARTIAL),
        (5, MonthState.LOADING),
        (6, MonthState.COMPLETE),
    ]
    MonthCheck.objects.all().delete()
    stored = (date(2020, 3, 31), date(2020, 5, 1))
    assert [(each.month.month, each.state) for each in months_of(symbol, TODAY, stored)] == [
        (1, MonthState.NONE),
        (2, MonthState.NONE),
        (3, MonthState.UNCHECKED),
        (4, MonthState.LOADING),
        (5, MonthState.LOADING),
        (6, MonthState.NONE),
    ]


def test_a_gap_that_is_not_closed_shows_in_its_months_before_the_next_check() -> None:
    symbol = make_symbol()
    for month in (4, 5, 6):
        check(symbol, date(2020, month, 1), CheckResult.PROVED)
    april, may = (int(datetime(2020, month, 10, tzinfo=UTC).timestamp() * 1000) for month in (4, 5))
    gap = make_gap(symbol, 4, 6, before_ms=april, after_ms=may)
    states = {each.month.month: (each.state, each.open_gaps) for each in months_of(symbol, TODAY)}
    assert states[4] == states[5] == (MonthState.PARTIAL, 1)
    assert states[6] == (MonthState.PROVED, 0)
    gap.status = GapStatus.RECOVERED
    gap.save()
    assert {each.open_gaps for each in months_of(symbol, TODAY)} == {0}


def test_months_are_served_and_an_unknown_contract_is_said(server: Server) -> None:
    check(make_symbol(), date(2020, 2, 1), CheckResult.PROVED)
    found = server.data(f"{MONTHS}/btcusdt")
    assert (found[0]["month"], found[0]["state"], found[0]["rows"]) == ("2020-01", "none", None)
    assert (found[1]["month"], found[1]["state"], found[1]["rows"]) == ("2020-02", "proved", 10)
    assert server.refusal(f"{MONTHS}/NONEUSDT")[:2] == (404, "UNKNOWN_SYMBOL")


def test_the_page_and_all_that_it_loads_is_there(server: Server) -> None:
    page = server.get("/")
    assert page.status_code == 200
    for path in (
        "/static/lightweight-charts/lightweight-charts.js",
        *(f"/static/dashboard/{name}" for name in ("style.css", "theme.js", "main.js")),
    ):
        assert path in page.text
        assert server.get(path).status_code == 200, path
