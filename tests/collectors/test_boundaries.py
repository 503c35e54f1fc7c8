"""Every connect, reconnect and start of a symbol leaves its verdict in Postgres, also one from while that was away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone
from redis import Redis

from collectors.books import Answer, Books, Request
from collectors.boundaries import record_boundaries
from collectors.directory import sync_symbols
from collectors.leases import Leases, owner_name
from collectors.messages import BoundaryFound
from collectors.models import Gap, StreamBoundary
from collectors.placing import MOST_BOUNDARIES
from collectors.supervisor import Supervisor
from dataprovider.clickhouse import ClickHouse
from dataprovider.embedded import ServiceStack
from tests.collectors.test_outages import paused, service_pid
from tests.collectors.test_symbols import entry
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

NOW_MS = 1_791_382_992_338


def found(symbol: str = "BTCUSDT", first_after: int = 11, verdict: str = "contiguous") -> BoundaryFound:
    return BoundaryFound(symbol, "reconnect", 10, first_after, verdict, NOW_MS, 1)


@pytest.mark.django_db
def test_a_boundary_says_what_was_before_and_after() -> None:
    sync_symbols([entry("BTCUSDT")])
    sync_symbols([entry("BTCUSDT", onboardDate=1700000000000)])
    assert (
        record_boundaries([found(), found("NOSUCH"), BoundaryFound("BTCUSDT", "restart", None, 5, "first", 0, 1)]) == 2
    )
    row = StreamBoundary.objects.get(verdict="contiguous")
    assert (row.cause, row.last_before, row.first_after) == ("reconnect", 10, 11)
    assert row.at.timestamp() * 1000 == NOW_MS
    # A ticker that was used before: today's contract.
    assert row.symbol.status == "TRADING"
    assert StreamBoundary.objects.get(verdict="first").last_before is None


@pytest.mark.django_db(transaction=True)
def test_what_a_worker_received_before_anything_was_stored_is_missing_when_another_one_begins_anew() -> None:
    sync_symbols([entry("BTCUSDT"), entry("ETHUSDT")])
    books = Books(Leases(owner_name()), dict)

    def begins(*first_ids: int, symbol: str = "BTCUSDT") -> list[tuple[int, int]]:
        books.update(Request(boundaries=[found(symbol, each, "first") for each in first_ids]))
        return sorted(Gap.objects.filter(symbol__name=symbol).values_list("first_id", "last_id"))

    assert begins(100) == []
    assert begins(140) == [(100, 139)]
    assert begins(500, symbol="ETHUSDT") == []
    assert begins(520, 530, symbol="ETHUSDT") == [(500, 519), (520, 529)]
    # After an order from a lower id nothing is known to be missing, and what is known is not said twice.
    assert begins(90, 120) == [(90, 99), (100, 139)]


@pytest.mark.django_db
def test_one_that_postgres_refuses_holds_up_nobody() -> None:
    sync_symbols([entry("BTCUSDT")])
    assert record_boundaries([found(verdict="nonsense")]) == 0
    assert record_boundaries([found()]) == 1


@pytest.mark.django_db(transaction=True)
def test_old_ones_are_forgotten_now_and_then() -> None:
    sync_symbols([entry("BTCUSDT")])
    record_boundaries([found(), found(first_after=12)])
    now = [0.0]
    books = Books(Leases(owner_name()), dict, lambda: now[0])
    StreamBoundary.objects.filter(first_after=11).update(at=timezone.now() - timedelta(days=91))
    StreamBoundary.objects.filter(first_after=12).update(at=timezone.now() - timedelta(days=89))
    books.update(Request())
    assert [each.first_after for each in StreamBoundary.objects.all()] == [12]
    StreamBoundary.objects.update(at=timezone.now() - timedelta(days=91))
    now[0] += 3599
    books.update(Request())
    assert StreamBoundary.objects.count() == 1
    now[0] += 2
    books.update(Request(boundaries=[found(first_after=13)]))
    assert [each.first_after for each in StreamBoundary.objects.all()] == [13]


class AwayBooks(Books):
    """Postgres answers `failures` requests with an error, and then takes down what it is told."""

    def __init__(self, failures: int) -> None:
        super().__init__(Leases(owner_name()), dict)
        self.failures = failures
        self.told: list[int] = []

    def update(self, request: Request) -> Answer:
        if self.failures:
            self.failures -= 1
            raise OperationalError("away")
        self.told += [each.first_after for each in request.boundaries]
        return Answer({}, 0, {}, 0)


def test_while_postgres_is_away_the_newest_are_kept_and_come_in_order_when_it_is_back() -> None:
    books = AwayBooks(failures=3)
    supervisor = Supervisor("host:1:0-a", books, [], dict, Redis(port=1))
    for number in range(MOST_BOUNDARIES + 7):
        supervisor._placing.boundaries.append(found(first_after=number))
        if number % 20_000 == 0:
            supervisor._ask_postgres(0.0)
            wait_for_answer(supervisor)
    while supervisor._placing.boundaries:
        supervisor._ask_postgres(0.0)
        wait_for_answer(supervisor)
    assert books.told[-1] == MOST_BOUNDARIES + 6
    assert books.told == list(range(books.told[0], MOST_BOUNDARIES + 7))
    assert len(books.told) == MOST_BOUNDARIES


def wait_for_answer(supervisor: Supervisor) -> None:
    def answered() -> bool:
        supervisor._hear_from_postgres(0.0)
        return supervisor._asked is None

    wait_until(answered, 10, "an answer of the books", every=0.001)


def test_connects_reconnects_and_starts_are_written_down_also_from_while_postgres_was_away(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
    service_stack: ServiceStack,
) -> None:
    exchange = start_exchange(symbols=10, rate=2000, paused=True)
    collectors = start_collectors(exchange)
    collectors.wait_until_subscribed()
    began = time.time()
    exchange.post("/simulator/start")
    wait_until(lambda: StreamBoundary.objects.filter(verdict="first", cause="restart").exists(), 30, "first trades")
    with paused(service_pid(service_stack, "postgres")):
        exchange.fault("drop_connections")
        wait_until(lambda: counted(collectors) - Counter(first=1000), 30, "verdicts over the reconnects")
        received = collectors.total("received")
        wait_until(lambda: collectors.total("received") > received + 8000, 30, "8,000 more trades")
    exchange.post("/simulator/stop")
    wait_until(lambda: StreamBoundary.objects.filter(cause="reconnect").exists(), 30, "the reconnects")
    assert collectors.stop() == 0
    by_verdict = Counter(StreamBoundary.objects.values_list("verdict", flat=True))
    assert by_verdict["first"] == len(exchange.sent)
    for row in StreamBoundary.objects.select_related("symbol"):
        assert began - 5 < row.at.timestamp() < time.time() + 5
        assert (row.last_before is None) == (row.verdict == "first")
        if row.last_before is not None:
            assert (row.first_after == row.last_before + 1) == (row.verdict == "contiguous")


def counted(collectors: RunningCollectors) -> Counter[str]:
    """The verdicts of all workers."""
    total: Counter[str] = Counter()
    for status in collectors.statuses():
        total.update(status.boundaries)
    return total
