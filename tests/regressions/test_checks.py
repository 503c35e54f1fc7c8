"""Failures 7 and 14 of the original: what an integrity check says of what is stored."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from collectors.models import Gap, Symbol
from dataprovider.clickhouse import ClickHouse
from integrity.checks.check import IntegrityCheck
from integrity.models import IntegrityRun, MonthCheck, SymbolTrust
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.rows import make_symbol

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 86_400_000
#: One trade every six hours: ids 1 to 124 are January's.
STEP = DAY // 4


@pytest.fixture
def symbol() -> Symbol:
    return make_symbol()


def rows(first_id: int, last_id: int, *, start: int = NEW_YEAR, step: int = 1000) -> list[Row]:
    return [
        Row(number, start + (number - first_id) * step, first=number, last=number)
        for number in range(first_id, last_id + 1)
    ]


def check(clickhouse: ClickHouse) -> IntegrityRun:
    return IntegrityCheck(clickhouse).run(["BTCUSDT"])


def gaps() -> list[tuple[int, int]]:
    return sorted(Gap.objects.values_list("first_id", "last_id"))


@pytest.mark.parametrize(
    ("missing", "twice"),
    [
        pytest.param([50], [60], id="count"),
        pytest.param([5, 8], [6, 7], id="count-and-sum"),
        pytest.param([5, 8, 41, 44], [6, 7, 42, 43], id="several-times"),
    ],
)
def test_a_gap_and_a_duplicate_do_not_cancel_out(
    clickhouse: ClickHouse, symbol: Symbol, missing: list[int], twice: list[int]
) -> None:
    """Failure 7 of the original: one gap and one duplicate made the right count, and it said VALID. Of ids 5 and 8
    missing and 6 and 7 twice even the sum is right."""
    everything = rows(1, 100)
    kept = [row for row in everything if row.aggregate_id not in missing]
    store(clickhouse, kept)
    store(clickhouse, [row for row in everything if row.aggregate_id in twice])
    run = check(clickhouse)
    assert (run.missing, run.duplicates) == (len(missing), len(twice))
    assert gaps() == [(number, number) for number in missing]
    assert MonthCheck.objects.get().result == "holes"
    assert SymbolTrust.objects.get().trust_id == missing[0] - 1


def test_a_month_is_trusted_up_to_its_last_trade_and_not_to_its_last_day(
    clickhouse: ClickHouse, symbol: Symbol
) -> None:
    """Failure 14 of the original: the trust point at a month's end took the calendar's last day, not the data's. Here
    January's data ends on the 29th."""
    january = rows(1, 115, step=STEP)
    store(clickhouse, january)
    check(clickhouse)
    trust = SymbolTrust.objects.get()
    assert datetime.fromtimestamp(january[-1].time / 1000, UTC).date() == date(2024, 1, 29)
    assert (trust.trust_id, trust.trust_ms) == (115, january[-1].time)
    assert (trust.last_id, trust.last_ms) == (115, january[-1].time)


def test_what_is_missing_at_a_months_end_is_missing_though_the_next_month_is_there(
    clickhouse: ClickHouse, symbol: Symbol
) -> None:
    """Failure 14 of the original: with January taken for whole to its 31st, 116 to 124 would be trusted unseen."""
    january, february = rows(1, 115, step=STEP), rows(125, 140, start=NEW_YEAR + 31 * DAY, step=STEP)
    store(clickhouse, [*january, *february])
    run = check(clickhouse)
    trust = SymbolTrust.objects.get()
    assert (trust.trust_id, trust.trust_ms, trust.last_id) == (115, january[-1].time, 140)
    assert (run.missing, gaps()) == (9, [(116, 124)])
    # They come in: the trust goes on to the newest trade there is, across the end of the month.
    store(clickhouse, rows(116, 124, start=january[-1].time + STEP, step=STEP))
    check(clickhouse)
    trust = SymbolTrust.objects.get()
    assert (trust.trust_id, trust.trust_ms) == (140, february[-1].time)
