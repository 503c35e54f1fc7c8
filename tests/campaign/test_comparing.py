"""The comparison itself: whatever is not as the exchange had it is found and counted."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import pytest

from tests.campaign.candles import as_sums, mismatches, sums
from tests.campaign.check import compare, ranges
from tests.campaign.exchangelog import Trade, exact
from tests.campaign.faults import EXCHANGE, PROCESSES
from tests.campaign.flat import TOLERANCES, tolerance_of, trend
from tests.campaign.lanes import order

MINUTE = 60_000
TRADES: list[Trade] = [
    (7, exact("10.5"), exact("2"), 70, 72, 3 * MINUTE, 0),
    (8, exact("11"), exact("0.001"), 73, 73, 3 * MINUTE + 59_999, 1),
    (9, exact("9.00000001"), exact("1"), 74, 75, 4 * MINUTE, 0),
]


def test_what_is_stored_as_it_was_sent_is_no_difference() -> None:
    found = compare("X", TRADES, TRADES)
    assert (found.sent, found.stored, found.missing, found.duplicated, found.wrong, found.told) == (3, 3, 0, 0, 0, [])


def test_a_missing_trade_is_found_and_named() -> None:
    found = compare("X", TRADES, [TRADES[0], TRADES[2]])
    assert (found.missing, found.told) == (1, ["X 8–8 is missing"])


def test_a_trade_stored_twice_is_found() -> None:
    assert compare("X", TRADES, [*TRADES[:2], TRADES[1], TRADES[2]]).duplicated == 1


@pytest.mark.parametrize("field", range(1, 7))
def test_a_trade_that_differs_in_any_field_is_found(field: int) -> None:
    altered = list(TRADES[1])
    altered[field] += 1
    found = compare("X", TRADES, [TRADES[0], tuple(altered), TRADES[2]])  # type: ignore[list-item]
    assert (found.wrong, found.missing) == (1, 0)


def test_a_trade_that_was_never_sent_is_found() -> None:
    assert compare("X", TRADES[:2], TRADES).wrong == 1


def test_missing_ids_are_told_as_ranges() -> None:
    assert list(ranges([1, 2, 3, 7, 9, 10])) == [(1, 3), (7, 7), (9, 10)]


def served(**changes: object) -> dict[str, object]:
    """The first minute as REST gives it."""
    return {
        "candle_time": 3 * MINUTE,
        "open": Decimal("10.5"),
        "high": 11,
        "low": Decimal("10.5"),
        "close": 11,
        "volume": Decimal("2.001"),
        "quote_volume": Decimal("21.011"),
        "taker_buy_volume": 2,
        "taker_sell_volume": Decimal("0.001"),
        "trades_count": 4,
        "aggregate_count": 2,
        "complete": True,
        "closed": True,
        **changes,
    }


def test_a_candle_is_the_sum_of_its_trades() -> None:
    assert sums(TRADES, 1)[3 * MINUTE] == as_sums(served())
    assert mismatches("X", 1, [served()], sums(TRADES[:2], 1)) == []


@pytest.mark.parametrize("name", [name for name in served() if name not in ("candle_time", "complete", "closed")])
def test_a_candle_that_is_wrong_in_any_field_is_found(name: str) -> None:
    value = served()[name]
    assert isinstance(value, int | Decimal)
    assert len(mismatches("X", 1, [served(**{name: value + 1})], sums(TRADES[:2], 1))) == 1


def test_a_candle_that_is_not_served_or_was_never_traded_is_found() -> None:
    assert mismatches("X", 1, [served()], sums(TRADES, 1)) == [f"X 1m {4 * MINUTE} is not served"]
    assert len(mismatches("X", 1, [served(), served(candle_time=9 * MINUTE)], sums(TRADES[:2], 1))) == 1


def test_a_seed_is_one_order_in_which_every_kind_comes() -> None:
    for kinds in (PROCESSES, EXCHANGE):
        first = list(islice(order(5, "x", kinds), 3 * len(kinds)))
        assert first == list(islice(order(5, "x", kinds), 3 * len(kinds)))
        assert first != list(islice(order(6, "x", kinds), 3 * len(kinds)))
        assert set(first[: len(kinds)]) == set(kinds)


def test_what_grows_is_not_flat_and_what_breathes_is() -> None:
    times = [5.0 * number for number in range(200)]
    tolerance = TOLERANCES["rss_mb"]
    assert trend(times, [100 + number % 10 for number in range(200)], tolerance).flat
    assert not trend(times, [100 + 0.5 * number for number in range(200)], tolerance).flat
    # What the first half builds up is not looked at.
    assert trend(times, [min(200.0, 2.0 * number) for number in range(200)], tolerance).flat
    assert not trend(times[:5], [1.0] * 5, tolerance).flat


def test_what_ever_larger_merges_use_for_a_while_is_flat_and_what_is_kept_is_not() -> None:
    times = [5.0 * number for number in range(360)]
    tolerance = tolerance_of("clickhouse handles")
    # Each merge is larger than the one before, and longer: up to a minute of every one and a half.
    used = [50 + (0.1 * moment if moment % 90 < moment / 30 else 0.0) for moment in times]
    assert not trend(times, used, tolerance_of("daphne handles")).flat
    assert trend(times, used, tolerance).flat
    # A handle that is forgotten every minute.
    kept = [each + moment // 60 for each, moment in zip(used, times, strict=True)]
    assert not trend(times, kept, tolerance).flat


@pytest.mark.parametrize("apart", [0, 7, 97])
def test_parts_that_merges_keep_up_with_are_flat_and_a_backlog_is_not(apart: int) -> None:
    times = [5.0 * number for number in range(360)]
    tolerance = TOLERANCES["parts_per_partition"]
    # Sixteen partitions, an insert a second each, merged five by five; begun so many seconds apart.
    merged = [sum(_parts(int(moment) + apart * each) for each in range(16)) / 16 for moment in times]
    assert trend(times, merged, tolerance).flat
    # Of a hundred inserts one is left alone.
    behind = [parts + moment / 100 for parts, moment in zip(merged, times, strict=True)]
    assert not trend(times, behind, tolerance).flat


def _parts(inserts: int) -> int:
    """What is left of so many parts when five of one size always become one: the digits of their number."""
    digits = 0
    while inserts:
        digits, inserts = digits + inserts % 5, inserts // 5
    return digits
