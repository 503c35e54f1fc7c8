"""What a repair, another worker or an outage of Valkey does to candles that somebody looks at: in the end, nothing."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import cast

import pytest
from django.db import transaction
from django.utils import timezone

from api.store import Store
from api.streaming.feed import Feed
from api.streaming.known import Known, OpenGap, read_known
from api.streaming.span import StoredSpan
from collectors.gaps import mark_recovered, take_up
from collectors.models import Gap, Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.embedded import ServiceStack
from integrity.models import JobKind, JobStatus, RecoveryJob
from tests.api.conftest import Server
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.streaming.conftest import Client, Connect, StartServer
from tests.streaming.market import Market, row
from tests.waiting import wait_until

MINUTE = 60_000
#: When the candle of 7 minutes opens that has New Year in it (ms).
SEVEN = NEW_YEAR // (7 * MINUTE) * 7 * MINUTE


@pytest.fixture
def symbol(transactional_db: None) -> Symbol:
    onboard = datetime(2020, 1, 1, tzinfo=UTC)
    return Symbol.objects.create(name="BTCUSDT", onboard_date=onboard, contract_type="PERPETUAL", status="TRADING")


def gap_of(symbol: Symbol, first_id: int, last_id: int, before_ms: int, after_ms: int) -> Gap:
    times = {"before_ms": NEW_YEAR + before_ms, "after_ms": NEW_YEAR + after_ms}
    return Gap.objects.create(symbol=symbol, first_id=first_id, last_id=last_id, cause="stream", **times)


def recovered(gap: Gap) -> None:
    take_up([gap])
    assert mark_recovered(gap, {})


def rest(server: Server, timeframe: int) -> list[dict[str, object]]:
    text = server.get("/api/v1/data/klines/BTCUSDT", timeframe=timeframe).text
    found: list[dict[str, object]] = json.loads(text, parse_float=Decimal)["data"]
    return found


def quality(client: Client, wanted: str) -> dict[str, object]:
    """The status of the next frame that has this quality."""
    frame = client.until(lambda each: each.get("data_status", {}).get("data_quality") == wanted, wanted)
    status: dict[str, object] = frame["data_status"]
    return status


def test_a_repair_inside_an_open_candle_is_shown_at_once(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    server = start_server()
    store(clickhouse, [row(1, 0)])
    client = connect(server)
    client.watch("BTCUSDT", 1, 7)
    market.trade(row(2, 10_000))
    market.trade(row(5, 20_000))
    gap = gap_of(symbol, 3, 4, 10_000, 20_000)
    assert quality(client, "partial")["gap_recovery"] is False
    store(clickhouse, [row(3, 11_000, price=300), row(4, 12_000)])
    # Not stored yet: what is shown must not fall back behind it.
    market.trade(row(6, 30_000), stored=False)
    recovered(gap)
    frame = client.until(lambda each: bool(each.get("correction")) and each["timeframe"] == "7m", "correction")
    assert (frame["data"]["trades_count"], frame["data"]["high"], frame["data"]["closed"]) == (6, 300, False)
    assert frame["data_status"]["data_quality"] == "complete"
    market.trade(row(7, 40_000), stored=False)
    client.update(SEVEN, trades_count=7)
    # Who comes when nobody else looks any more sees it too.
    client.send(action="unsubscribe", unsubscriptions=[{"symbol": "BTCUSDT", "timeframes": [1, 7]}])
    client.type("unsubscription_result")
    late = connect(server)
    late.watch("BTCUSDT", 7)
    market.trade(row(8, 50_000), stored=False)
    late.update(SEVEN, trades_count=8, high=300)


def test_a_repair_corrects_closed_candles_that_are_still_shown(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    server = start_server()
    store(clickhouse, [row(n, (n - 1) * MINUTE) for n in range(1, 31) if n != 4])
    gap = gap_of(symbol, 4, 4, 2 * MINUTE, 4 * MINUTE)
    client = connect(server)
    client.watch("BTCUSDT", 1, 7, initial_candles=100)
    only_new = connect(server)
    only_new.watch("BTCUSDT", 1, initial_candles=5)
    assert quality_of_first(client) == "partial"
    assert quality_of_first(only_new) == "complete"
    store(clickhouse, [row(4, 3 * MINUTE)])
    recovered(gap)
    frame = client.update(NEW_YEAR + 3 * MINUTE, closed=True, complete=True)
    assert frame["correction"] is True
    client.until(lambda each: bool(each.get("correction")) and each["timeframe"] == "7m", "correction")
    for timeframe in (1, 7):
        wanted = {each["candle_time"]: each for each in rest(server, timeframe)}
        client.send(action="ping")
        client.until(lambda _, t=timeframe, w=wanted: client.candles(t) == w, "what REST says")  # type: ignore[misc]
    only_new.send(action="ping")
    only_new.type("pong")
    assert NEW_YEAR + 3 * MINUTE not in only_new.candles(1)


def test_a_gap_that_grew_is_corrected_to_its_end(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    server = start_server()
    store(clickhouse, [row(n, (n - 1) * MINUTE) for n in range(1, 31) if n not in (4, 5, 6)])
    gap = gap_of(symbol, 4, 4, 2 * MINUTE, 4 * MINUTE)
    client = connect(server)
    client.watch("BTCUSDT", 1, initial_candles=100)
    assert quality_of_first(client) == "partial"
    # Between two looks of the hub it grows and is closed.
    store(clickhouse, [row(n, (n - 1) * MINUTE) for n in (4, 5, 6)])
    gap.last_id, gap.after_ms = 6, NEW_YEAR + 6 * MINUTE
    gap.save()
    recovered(gap)
    assert client.update(NEW_YEAR + 5 * MINUTE, closed=True)["correction"] is True
    wanted = {each["candle_time"]: each for each in rest(server, 1)}
    client.until(lambda _: client.candles(1) == wanted, "what REST says")


def test_a_gap_that_grows_is_not_closed() -> None:
    gap = OpenGap(1, "BTCUSDT", 4, 4, 0, 1, recovering=False)
    feed = Feed("BTCUSDT", cast(Store, None), cast(StoredSpan, None), lambda: 0, Known((gap,)))
    grown = replace(gap, last_id=5)
    assert feed.take_known(Known((grown,))) == []
    assert feed.known == Known((grown,))
    assert feed.take_known(Known()) == [grown]


def test_a_gap_that_was_opened_and_closed_between_two_looks_is_closed_once() -> None:
    before, lately, gone = (OpenGap(pk, "BTCUSDT", pk, pk, 0, 1, recovering=False) for pk in (1, 2, 3))
    store, span = cast(Store, None), cast(StoredSpan, None)
    feed = Feed("BTCUSDT", store, span, lambda: 0, Known((gone,), recovered=(before,)), [before])
    assert feed.take_known(Known((gone,), recovered=(before, lately))) == [lately]
    # Postgres does not answer for a while.
    assert feed.take_known(None) == []
    assert feed.take_known(Known(recovered=(before, lately, gone))) == [gone]
    assert feed.take_known(Known(recovered=(lately, gone))) == []


def test_what_was_closed_since_the_last_look_is_read_but_not_what_was_closed_long_ago(symbol: Symbol) -> None:
    now = timezone.now()
    for minutes in (1, 5, 20):
        gap = gap_of(symbol, minutes, minutes, 0, 1)
        recovered(gap)
        Gap.objects.filter(pk=gap.pk).update(updated_at=now - timedelta(minutes=minutes))

    def closed(minutes: float) -> list[int]:
        known = read_known(["BTCUSDT"], now - timedelta(minutes=minutes))["BTCUSDT"]
        return [each.first_id for each in known.recovered]

    assert (closed(0), closed(0.9), closed(3), closed(60)) == ([], [1], [1], [1, 5])


def test_a_gap_that_was_closed_while_postgres_did_not_answer_for_long_is_closed() -> None:
    gap = OpenGap(1, "BTCUSDT", 4, 4, 0, 1, recovering=False)
    feed = Feed("BTCUSDT", cast(Store, None), cast(StoredSpan, None), lambda: 0, Known((gap,)))
    assert feed.take_known(None) == []
    assert feed.take_known(Known()) == [gap]
    assert feed.take_known(Known()) == []


def test_closed_candles_of_a_gap_that_nobody_saw_open_are_corrected(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    server = start_server()
    store(clickhouse, [row(n, (n - 1) * MINUTE) for n in range(1, 31) if n != 4])
    client = connect(server)
    client.watch("BTCUSDT", 1, initial_candles=100)
    with transaction.atomic():
        gap = gap_of(symbol, 4, 4, 2 * MINUTE, 4 * MINUTE)
        store(clickhouse, [row(4, 3 * MINUTE)])
        recovered(gap)
    assert client.update(NEW_YEAR + 3 * MINUTE, closed=True)["correction"] is True


def test_history_on_its_way_is_loading_and_postgres_away_unknown(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    store(clickhouse, [row(1, 0)])
    day = datetime.fromtimestamp(NEW_YEAR / 1000, UTC).date()
    job = RecoveryJob.objects.create(
        symbol=symbol,
        kind=JobKind.DAYS,
        first_day=day - timedelta(days=9),
        last_day=day,
        next_attempt_at=timezone.now(),
    )
    client = connect(start_server())
    client.watch("BTCUSDT", 7)
    assert client.frames[0]["data_status"] == {
        "historical_loading": True,
        "gap_recovery": False,
        "data_quality": "loading",
        "last_complete_timestamp": None,
    }
    job.status = JobStatus.DONE
    job.save()
    quality(client, "complete")


def test_without_postgres_the_quality_is_unknown(
    start_server: StartServer, clickhouse: ClickHouse, connect: Connect
) -> None:
    store(clickhouse, [row(1, 0)])
    client = connect(start_server(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none"))
    client.watch("BTCUSDT", 7)
    assert quality_of_first(client) == "unknown"
    client.watch("NOSUCHUSDT", 7)
    assert "try again" in client.frames[-1]["failed_subscriptions"][0]["reason"]


def quality_of_first(client: Client) -> str:
    return str(client.frames[0]["data_status"]["data_quality"])


def test_a_worker_that_begins_in_the_middle_of_a_minute(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    store(clickhouse, [row(1, 0)])
    server = start_server()
    client = connect(server)
    client.watch("BTCUSDT", 1)
    market.trade(row(2, 10_000, price=200))
    client.update(NEW_YEAR, trades_count=2)
    market.restart()
    market.trade(row(3, 20_000))
    market.trade(row(4, 30_000), stored=False)
    client.update(NEW_YEAR, trades_count=4, high=200)


def test_valkey_restarts_under_the_hub(
    start_server: StartServer,
    clickhouse: ClickHouse,
    symbol: Symbol,
    market: Market,
    connect: Connect,
    service_stack: ServiceStack,
) -> None:
    store(clickhouse, [row(1, 0)])
    server = start_server()
    client = connect(server)
    client.watch("BTCUSDT", 1, 7)
    market.trade(row(2, 10_000))
    client.update(NEW_YEAR, trades_count=2)
    pid = service_stack.services["valkey"].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # The end of the minute and the beginning of the next one are never published.
    market.trade(row(3, 59_000, price=300), published=False)
    market.trade(row(4, MINUTE), published=False)
    wait_until(lambda: not market.is_heard(), 10, "Valkey to be gone")

    def listens_again() -> bool:
        service_stack.check()
        return market.is_heard()

    wait_until(listens_again, 30, "the hub to listen again")
    market.trade(row(5, MINUTE + 10_000))
    for timeframe in (1, 7):
        wanted = {each["candle_time"]: each for each in rest(server, timeframe)}
        client.send(action="ping")
        client.until(lambda _, t=timeframe, w=wanted: client.candles(t) == w, "what REST says")  # type: ignore[misc]
    assert {each["trades_count"] for each in client.candles(1).values()} == {3, 2}


def test_what_was_published_before_anybody_listened_and_stored_after_the_first_look(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    """No worker says it again, and the ids do not show it: the newest is missing."""
    store(clickhouse, [row(1, -3_600_000), row(2, 0)])
    client = connect(start_server())
    client.watch("BTCUSDT", 1)
    market.trade(row(3, 1_000), published=False)
    client.update(NEW_YEAR, trades_count=2)


def test_what_was_published_before_anybody_listened_to_a_symbol_of_which_nothing_was_stored(
    start_server: StartServer, clickhouse: ClickHouse, symbol: Symbol, market: Market, connect: Connect
) -> None:
    """A worker says what came then, and no id before it shows that there was more."""
    before = row(1, -90_000)
    for each in (before, row(2, -30_000)):
        market.trade(each, published=False, stored=False)
    store(clickhouse, [Row(1, NEW_YEAR, symbol="ETHUSDT")])
    client = connect(start_server())
    # So that the hub listens already, and has read all it reads for that.
    client.watch("ETHUSDT", 1)
    wait_until(market.is_heard, 5, "the hub to listen")
    client.watch("BTCUSDT", 7)
    # The minute before it ends with it, and is published too.
    market.trade(row(3, 1_000), stored=False)
    client.update(SEVEN, trades_count=2)
    store(clickhouse, [before])
    client.update(SEVEN, trades_count=3)
