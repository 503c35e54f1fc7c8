"""A candle's `complete`: derived from the same evidence as gaps and trust points, and never true without."""

from __future__ import annotations

import pytest
from django.utils import timezone

from api.candles import Candle, Evidence, judged, needs_evidence
from collectors.models import GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse
from integrity.checks.check import IntegrityCheck
from integrity.checks.ids import Run
from integrity.models import SymbolTrust
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.rows import make_gap, make_symbol

pytestmark = pytest.mark.django_db(transaction=True)

KLINES = "/api/v1/data/klines/BTCUSDT"
MINUTE = 60_000


@pytest.fixture
def symbol() -> Symbol:
    return make_symbol()


def per_minute(minutes: range, *, first: int = 100, without: tuple[int, ...] = ()) -> list[Row]:
    """Two trades in each of these minutes of the year, ids from `first`."""
    rows = [
        Row(first + 2 * m + k, NEW_YEAR + m * MINUTE + k * 30_000, first=10 * m + k) for m in minutes for k in (0, 1)
    ]
    return [row for row in rows if row.aggregate_id not in without]


def complete(server: Server, **params: object) -> list[bool]:
    return [candle["complete"] for candle in server.data(KLINES, **params)]


def absent(symbol: Symbol, first_id: int, last_id: int) -> None:
    make_gap(symbol, first_id, last_id, status=GapStatus.ABSENT_UPSTREAM, evidence={"source": "archive"})


def test_ids_that_are_absent_upstream_are_no_holes(server: Server, clickhouse: ClickHouse, symbol: Symbol) -> None:
    # 105 and 106 inside the second candle, 111 and 112 between the third and the fourth, 118 inside the fifth.
    store(clickhouse, per_minute(range(14), without=(105, 106, 111, 112, 118)))
    assert complete(server, timeframe=2) == [False, False, False, False, False, True, False]
    absent(symbol, 105, 106)
    absent(symbol, 111, 112)
    assert complete(server, timeframe=2) == [False, True, True, True, False, True, False]
    # A gap that is only open explains nothing.
    make_gap(symbol, 118, 118)
    assert complete(server, timeframe=2) == [False, True, True, True, False, True, False]


def test_an_id_that_lies_further_away_than_the_next_minute_counts(
    server: Server, clickhouse: ClickHouse, symbol: Symbol
) -> None:
    # 103 lies before 102 and 106 behind 107: beside the third minute the ids do not go on, a minute away they do.
    minutes = {100: 0, 101: 0, 103: 0, 102: 1, 104: 2, 105: 2, 107: 3, 106: 4}
    store(clickhouse, [Row(number, NEW_YEAR + minute * MINUTE, first=number) for number, minute in minutes.items()])
    third = NEW_YEAR + 2 * MINUTE
    assert complete(server, start_time=third, end_time=third) == [True]
    assert complete(server, end_time=third, limit=1) == [False]


def test_a_hole_that_is_only_partly_absent_is_a_hole(server: Server, clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, per_minute(range(6), without=(104, 105, 106)))
    absent(symbol, 104, 105)
    assert complete(server) == [False, False, False, True, False]
    assert [each["candle_time"] for each in server.data(KLINES)][2] == NEW_YEAR + 3 * MINUTE


@pytest.mark.parametrize(
    ("trust", "expected"),
    [
        (None, False),
        ({"first_id": 100}, False),
        ({"first_id": 100, "origin": {"source": "archive listing"}}, True),
        # It was said of another trade.
        ({"first_id": 102, "origin": {"source": "archive listing"}}, False),
    ],
)
def test_the_very_first_candle_is_complete_only_when_nothing_comes_before_it(
    server: Server, clickhouse: ClickHouse, symbol: Symbol, trust: dict[str, object] | None, expected: bool
) -> None:
    store(clickhouse, per_minute(range(4)))
    if trust is not None:
        ends = {"first_ms": 0, "last_id": 107, "last_ms": 0, "trust_id": 107, "trust_ms": 0, "rows": 8}
        SymbolTrust.objects.create(symbol=symbol, checked_at=timezone.now(), **{**ends, **trust})
    assert complete(server) == [expected, True, True, False]


@pytest.mark.parametrize(("first", "expected"), [(0, True), (1, True), (2, False)])
def test_the_exchange_counts_from_0_or_1(
    server: Server, clickhouse: ClickHouse, symbol: Symbol, first: int, expected: bool
) -> None:
    store(clickhouse, per_minute(range(4), first=first))
    assert complete(server)[0] is False
    IntegrityCheck(clickhouse).run()
    assert complete(server)[0] is expected


def test_twins_are_no_duplicates(server: Server, clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = per_minute(range(6))
    store(clickhouse, [*rows, rows[4]._replace(first=999)])
    # Before a check has told it from a duplicate, nobody knows.
    assert complete(server) == [False, True, False, True, True, False]
    IntegrityCheck(clickhouse).run()
    assert complete(server) == [False, True, True, True, True, False]


def test_a_duplicate_leaves_its_candle_incomplete(server: Server, clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = per_minute(range(6))
    store(clickhouse, rows)
    store(clickhouse, [rows[4]])
    IntegrityCheck(clickhouse).run()
    assert complete(server) == [False, True, False, True, True, False]
    # Beside a twin it is not known which of them is in which candle.
    store(clickhouse, [rows[8]._replace(first=999)])
    IntegrityCheck(clickhouse).run()
    assert complete(server) == [False, True, False, True, False, False]


def test_ids_that_changed_sides_with_the_next_minutes_are_stored(
    server: Server, clickhouse: ClickHouse, symbol: Symbol
) -> None:
    rows = per_minute(range(6))
    rows[5], rows[6] = rows[5]._replace(time=rows[6].time), rows[6]._replace(time=rows[5].time)
    store(clickhouse, rows)
    assert complete(server) == [False, True, False, False, True, False]
    IntegrityCheck(clickhouse).run()
    assert complete(server) == [False, True, True, True, True, False]


def test_candles_are_served_without_postgres(start_server: StartServer, clickhouse: ClickHouse) -> None:
    store(clickhouse, per_minute(range(6), without=(104,)))
    server = start_server(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")
    assert complete(server) == [False, False, False, True, True, False]


def candle(first_id: int, last_id: int, *, minute: int = 0) -> Candle:
    ids = range(first_id, last_id + 1)
    return Candle(minute * MINUTE, 1, 1, 1, 1, 1, 1, 1, 1, len(ids), len(ids), first_id, last_id, sum(ids))


def test_nothing_is_asked_for_contiguous_candles() -> None:
    candles = [candle(10, 12, minute=0), candle(13, 15, minute=1), candle(16, 18, minute=2)]
    open_end = judged(candles, timeframe=1, id_before=9, id_after=None, exchange_time=150_000)
    assert not needs_evidence(open_end, None)
    closed_end = judged(candles, timeframe=1, id_before=9, id_after=None, exchange_time=10**9)
    assert not needs_evidence(closed_end, None)
    first = judged(candles, timeframe=1, id_before=None, id_after=19, exchange_time=10**9)
    assert needs_evidence(first, 19)


def test_no_evidence_makes_an_open_candle_or_the_newest_complete() -> None:
    evidence = Evidence(absent=[(0, 10**9)], runs=[Run.whole(0, 10**9)], first_of_all=10)
    for time, after in ((59_999, 13), (10**9, None)):
        (verdict,) = judged(
            [candle(10, 12)], timeframe=1, id_before=None, id_after=after, exchange_time=time, evidence=evidence
        )
        assert not verdict.complete
