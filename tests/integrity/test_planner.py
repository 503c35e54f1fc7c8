"""What recovery decides: what goes together, and where it is fetched from."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrity.recovery.planner import (
    DAY_MS,
    WORTH_A_DOWNLOAD,
    Missing,
    Way,
    clustered,
    day_of,
    months,
    next_way,
    size,
    start_of,
    within,
    without,
)

HOUR_MS = 3_600_000
NOW = start_of(date(2024, 7, 10)) + 12 * HOUR_MS
USUAL: dict[str, Any] = {
    "oldest_ms": NOW - HOUR_MS,
    "missing": 100,
    "day_is_over": False,
    "archive_failed": False,
    "now_ms": NOW,
    "look_back_ms": 47 * HOUR_MS,
    "source": "auto",
}


@pytest.mark.parametrize(
    ("what", "changes", "way"),
    [
        ("young and few", {}, Way.REST),
        ("just inside the look-back", {"oldest_ms": NOW - 47 * HOUR_MS + 1}, Way.REST),
        ("beyond it, archive there", {"oldest_ms": NOW - 47 * HOUR_MS, "day_is_over": True}, Way.ARCHIVE),
        (
            "beyond it, archive late",
            {"oldest_ms": NOW - 50 * HOUR_MS, "day_is_over": True, "archive_failed": True},
            Way.WAIT,
        ),
        ("young and few of a day that is over", {"missing": WORTH_A_DOWNLOAD, "day_is_over": True}, Way.REST),
        ("young, too many pages", {"missing": WORTH_A_DOWNLOAD + 1, "day_is_over": True}, Way.ARCHIVE),
        ("young, many, not published", {"missing": 10**6}, Way.REST),
        ("young, many, archive bad", {"missing": 10**6, "day_is_over": True, "archive_failed": True}, Way.REST),
        ("age not known: REST says", {"oldest_ms": None}, Way.REST),
        ("only by REST, too old", {"source": "rest", "oldest_ms": NOW - 3 * DAY_MS}, Way.WAIT),
        ("only from archives, not there", {"source": "archive"}, Way.WAIT),
        ("only from archives, young", {"source": "archive", "day_is_over": True}, Way.ARCHIVE),
    ],
)
def test_the_source_follows_from_the_age_by_the_exchanges_clock(what: str, changes: dict[str, Any], way: Way) -> None:
    assert next_way(**{**USUAL, **changes}) is way, what


def test_gaps_within_a_page_of_each_other_are_one_job_and_symbols_stay_apart() -> None:
    gaps = [
        Missing(1, "BTCUSDT", 100, 110, 0),
        Missing(2, "BTCUSDT", 1110, 1111, 0),
        Missing(3, "BTCUSDT", 2112, 2112, 0),
        Missing(4, "ETHUSDT", 105, 106, 0),
    ]
    found = clustered(reversed(gaps))
    assert [[gap.key for gap in cluster] for cluster in found] == [[1, 2], [3], [4]]


def test_days_are_cut_at_the_ends_of_months() -> None:
    assert months(date(2024, 1, 30), date(2024, 3, 1)) == [
        (date(2024, 1, 30), date(2024, 1, 31)),
        (date(2024, 2, 1), date(2024, 2, 29)),
        (date(2024, 3, 1), date(2024, 3, 1)),
    ]
    assert months(date(2024, 12, 31), date(2024, 12, 31)) == [(date(2024, 12, 31), date(2024, 12, 31))]
    assert months(date(2024, 2, 2), date(2024, 2, 1)) == []


def test_a_day_and_its_beginning_fit_together() -> None:
    assert day_of(start_of(date(2024, 2, 29))) == date(2024, 2, 29)
    assert day_of(start_of(date(2024, 2, 29)) - 1) == date(2024, 2, 28)


ids = st.integers(0, 60)
ranges = st.lists(st.tuples(ids, ids).map(lambda pair: (min(pair), max(pair))), max_size=6)


def apart(found: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same ids as ascending ranges that do not touch."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(found):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def as_set(found: list[tuple[int, int]]) -> set[int]:
    return {each for first, last in found for each in range(first, last + 1)}


@given(ranges, ranges)
def test_ranges_are_cut_as_sets_of_ids_are(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    one, other = apart(one), apart(other)
    assert as_set(without(one, other)) == as_set(one) - as_set(other)
    assert as_set(within(one, other)) == as_set(one) & as_set(other)
    assert size(one) == len(as_set(one))
