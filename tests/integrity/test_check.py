"""Integrity checks of what is really stored: what is proved, missing or twice."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from collectors.models import Gap, GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse
from integrity.models import CheckResult, MonthCheck, SymbolTrust
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.quarter import (
    FEB,
    FEBRUARY,
    JANUARY,
    MARCH,
    MINUTE,
    STEP,
    check,
    gaps,
    quarter,
    results,
)
from tests.integrity.rows import make_gap

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_month_between_whole_neighbours_is_proved(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    run = check(clickhouse)
    # Nobody knows yet what comes before the first trade, or what still belongs to the newest month.
    assert results(symbol) == {JANUARY: "contiguous", FEBRUARY: "proved", MARCH: "contiguous"}
    assert (run.symbols, run.missing, run.duplicates, run.gaps_opened) == (1, 0, 0, 0)
    trust = SymbolTrust.objects.get()
    assert (trust.first_id, trust.trust_id, trust.last_id, trust.rows) == (100, 463, 463, 364)
    assert (trust.first_ms, trust.trust_ms) == (NEW_YEAR, NEW_YEAR + 363 * STEP)
    january = MonthCheck.objects.get(month=JANUARY)
    assert (january.rows, january.first_id, january.last_id, january.proved_days) == (124, 100, 223, 31)
    assert january.proved_fingerprint == january.fingerprint != ""


def test_a_known_origin_proves_the_first_month(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    check(clickhouse)
    SymbolTrust.objects.update(origin={"source": "archive listing"})
    check(clickhouse)
    assert results(symbol)[JANUARY] == CheckResult.PROVED
    assert SymbolTrust.objects.get().origin == {"source": "archive listing"}
    # What comes before it after all is no longer known to be the beginning.
    store(clickhouse, [Row(99, NEW_YEAR - STEP)])
    check(clickhouse)
    assert SymbolTrust.objects.get().origin == {}


def test_nothing_comes_before_the_exchanges_first_id(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * STEP) for n in range(200)])
    check(clickhouse)
    assert results(symbol)[JANUARY] == CheckResult.PROVED
    assert SymbolTrust.objects.get().origin != {}


def test_missing_ids_become_gaps_and_end_the_trust(clickhouse: ClickHouse, symbol: Symbol) -> None:
    # Inside a day, and the last trades of January with the first of February.
    store(clickhouse, quarter(without={110, 111, 222, 223, 224}))
    run = check(clickhouse)
    assert gaps() == [(110, 111), (222, 224)]
    gap = Gap.objects.get(first_id=222)
    assert (gap.cause, gap.status) == ("check", "open")
    assert (gap.before_ms, gap.after_ms) == (NEW_YEAR + 121 * STEP, NEW_YEAR + 125 * STEP)
    assert results(symbol) == {JANUARY: "holes", FEBRUARY: "holes", MARCH: "contiguous"}
    assert dict(MonthCheck.objects.values_list("month", "missing")) == {JANUARY: 2, FEBRUARY: 3, MARCH: 0}
    trust = SymbolTrust.objects.get()
    assert (trust.trust_id, trust.trust_ms, trust.missing) == (109, NEW_YEAR + 9 * STEP, 5)
    assert (run.missing, run.gaps_opened) == (5, 2)
    # The same again opens nothing twice.
    assert check(clickhouse).gaps_opened == 0


def test_one_gap_and_one_duplicate_do_not_cancel_out(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = [Row(n, NEW_YEAR + n * 1000, first=n) for n in range(1, 101)]
    store(clickhouse, [row for row in rows if row.aggregate_id != 50])
    store(clickhouse, [rows[60]])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (1, 1)
    assert gaps() == [(50, 50)]


@pytest.mark.parametrize("spacing", [1, 1000, MINUTE, 7 * 3_600_000])
def test_gaps_and_duplicates_that_cancel_in_count_and_sum_are_found(
    clickhouse: ClickHouse, symbol: Symbol, spacing: int
) -> None:
    """5 and 8 are missing, 6 and 7 there twice: of one minute, of several, or of several days."""
    rows = [Row(n, NEW_YEAR + n * spacing, first=n) for n in range(1, 13)]
    store(clickhouse, [row for row in rows if row.aggregate_id not in (5, 8)])
    store(clickhouse, [row for row in rows if row.aggregate_id in (6, 7)])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (2, 2)
    assert gaps() == [(5, 5), (8, 8)]
    assert SymbolTrust.objects.get().trust_id == 4
    assert results(symbol) == {JANUARY: "holes"}


def test_a_duplicate_is_no_gap_and_moves_nothing_back(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, quarter())
    store(clickhouse, [quarter()[50]])
    run = check(clickhouse)
    assert (run.missing, run.duplicates, gaps()) == (0, 1, [])
    assert SymbolTrust.objects.get().trust_id == 463
    assert results(symbol)[JANUARY] == CheckResult.DUPLICATES


def test_two_trades_under_one_id_are_no_duplicates(clickhouse: ClickHouse, symbol: Symbol) -> None:
    twin = quarter()[160]
    store(clickhouse, [*quarter(), twin._replace(first=twin.first + 2)])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (0, 0)
    february = MonthCheck.objects.get(month=FEBRUARY)
    assert (february.result, february.twins) == ("proved", 1)


@pytest.mark.parametrize(("first", "duplicates", "twins"), [(1011, 1, 0), (7, 0, 1)])
def test_the_same_id_on_two_days_is_told_by_its_first_trade(
    clickhouse: ClickHouse, symbol: Symbol, first: int, duplicates: int, twins: int
) -> None:
    again = quarter()[11]._replace(time=NEW_YEAR + 12 * STEP, first=first)
    store(clickhouse, [*quarter(), again])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (0, duplicates)
    assert MonthCheck.objects.get(month=JANUARY).twins == twins


def test_trades_whose_ids_changed_sides_at_midnight_are_whole(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = quarter()
    # 223 happened in February and 224 in January.
    rows[123], rows[124] = rows[123]._replace(time=rows[124].time), rows[124]._replace(time=rows[123].time)
    store(clickhouse, rows)
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (0, 0)
    assert results(symbol)[FEBRUARY] == CheckResult.PROVED


def test_a_hole_of_the_exchange_itself_is_neither_missing_nor_asked_for_again(
    clickhouse: ClickHouse, symbol: Symbol
) -> None:
    store(clickhouse, quarter(without={250, 251, 252}))
    make_gap(symbol, 250, 252, status=GapStatus.ABSENT_UPSTREAM, evidence={"source": "archive"})
    run = check(clickhouse)
    assert (run.missing, run.gaps_opened) == (0, 0)
    february = MonthCheck.objects.get(month=FEBRUARY)
    assert (february.result, february.absent, february.missing) == ("proved", 3, 0)
    assert SymbolTrust.objects.get().trust_id == 463
    # When the verdict is taken back, it is missing again without a row being read.
    Gap.objects.update(status=GapStatus.OPEN)
    run = check(clickhouse)
    assert (run.missing, MonthCheck.objects.get(month=FEBRUARY).result) == (3, "holes")


def test_a_trust_point_at_a_months_end_is_the_datas_last_day(clickhouse: ClickHouse, symbol: Symbol) -> None:
    """The last trade of January was on the 29th; February begins with the next id."""
    rows = [Row(n, NEW_YEAR + n * STEP) for n in range(2, 2 + 28 * 4)]
    store(clickhouse, rows)
    check(clickhouse)
    trust = SymbolTrust.objects.get()
    assert (trust.trust_id, trust.trust_ms) == (rows[-1].aggregate_id, rows[-1].time)
    assert datetime.fromtimestamp(trust.trust_ms / 1000, UTC).date() == date(2024, 1, 29)
    store(clickhouse, [Row(rows[-1].aggregate_id + 1 + n, FEB + n * STEP) for n in range(3)])
    check(clickhouse)
    assert SymbolTrust.objects.get().trust_id == rows[-1].aggregate_id + 3
    assert gaps() == []
