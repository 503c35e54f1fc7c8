"""The arithmetic of integrity: ids told apart by count, sum and hashes; holes, trust points and months' verdicts."""

from __future__ import annotations

import random

import pytest

from dataprovider.clickhouse.fingerprint import id_hash_sum
from integrity.checks.ids import (
    MODULUS,
    Repeats,
    Run,
    Slice,
    common,
    hashes_of,
    overlapping,
    runs_of,
    united,
    without,
)
from integrity.checks.judge import MonthIds, judge


def summed(ids: list[int]) -> tuple[Slice, int]:
    """What the store says of rows with these ids."""
    hashes = sum(id_hash_sum(each, each) for each in ids) % MODULUS
    return Slice(0, len(ids), min(ids), max(ids), sum(ids) % MODULUS), hashes


@pytest.mark.parametrize(
    ("ids", "looks", "is_whole"),
    [
        ([1, 2, 3, 4, 5], True, True),
        ([7], True, True),
        # One gap and one duplicate: the count alone would be right.
        ([1, 2, 2, 4, 5], False, False),
        # 5 and 8 missing, 6 and 7 twice: count and sum are right.
        ([4, 6, 6, 7, 7, 9], True, False),
        ([1, 2, 4], False, False),
        ([1, 2, 2, 3], False, False),
    ],
)
def test_ids_are_whole_only_when_count_sum_and_hashes_agree(ids: list[int], looks: bool, is_whole: bool) -> None:
    found, hashes = summed(ids)
    assert found.looks_whole is looks
    assert found.is_whole(hashes) is is_whole


def test_sums_beyond_64_bits_are_compared_modulo_2_64() -> None:
    first = 2**63 - 5
    found, hashes = summed(list(range(first, first + 5)))
    assert found.is_whole(hashes)


def test_runs_break_at_holes_and_count_rows_and_trades() -> None:
    repeats = [Repeats(5, 5, rows=2, trades=2), Repeats(1, 4), Repeats(6, 7, rows=3, trades=1), Repeats(9, 9)]
    assert runs_of(repeats) == [Run(1, 7, 12, 8), Run(9, 9, 1, 1)]
    assert (runs_of(repeats)[0].duplicates, runs_of(repeats)[0].twins) == (4, 1)
    assert hashes_of(repeats) == summed([1, 2, 3, 4, 5, 5, 6, 6, 6, 7, 7, 7, 9])[1]


def test_slices_that_share_ids_are_found() -> None:
    def part(first: int, last: int) -> Slice:
        return Slice(0, 1, first, last, 0)

    assert overlapping([part(1, 4), part(5, 9), part(10, 11)]) == set()
    assert overlapping([part(1, 5), part(5, 9), part(10, 11)]) == {0, 1}
    assert overlapping([part(1, 100), part(3, 4), part(50, 60), part(101, 102)]) == {0, 1, 2}


def test_ranges_are_combined_as_sets_of_ids() -> None:
    pick = random.Random(7)
    for _ in range(200):
        ones, twos = ({pick.randrange(40) for _ in range(pick.randrange(30))} for _ in range(2))
        one, two = ranges(ones), ranges(twos)
        assert ids(common(one, two)) == ones & twos
        assert ids(without(one, two)) == ones - twos
        assert ids(united([*one, *two])) == ones | twos


def ranges(numbers: set[int]) -> list[tuple[int, int]]:
    return united((each, each) for each in numbers)


def ids(found: list[tuple[int, int]]) -> set[int]:
    assert found == united(found)
    return {each for first, last in found for each in range(first, last + 1)}


def month(*runs: tuple[int, int], proved: bool = True) -> MonthIds:
    return MonthIds([Run.whole(*run) for run in runs], proved)


def test_a_month_is_proved_between_its_neighbours_only() -> None:
    verdict = judge([month((10, 19)), month((20, 29)), month((30, 39))], [], begins=False)
    assert verdict is not None
    assert [each.proved for each in verdict.months] == [False, True, False]
    assert (verdict.first_id, verdict.trust_id, verdict.last_id) == (10, 39, 39)
    verdict = judge([month((10, 19)), month((20, 29)), month((30, 39))], [], begins=True)
    assert verdict is not None
    assert [each.proved for each in verdict.months] == [True, True, False]


def test_a_hole_between_two_months_counts_to_the_later_and_leaves_neither_proved() -> None:
    months = [month((10, 19)), month((22, 29)), month((30, 39)), month((40, 49))]
    verdict = judge(months, [], begins=True)
    assert verdict is not None
    assert [each.missing for each in verdict.months] == [0, 2, 0, 0]
    assert [each.proved for each in verdict.months] == [False, False, True, False]
    assert (verdict.missing, verdict.trust_id) == ([(20, 21)], 19)


def test_what_is_absent_upstream_is_not_missing() -> None:
    months = [month((10, 19)), month((25, 29)), month((30, 39))]
    verdict = judge(months, [(20, 24)], begins=True)
    assert verdict is not None
    assert [(each.missing, each.absent, each.proved) for each in verdict.months][:2] == [(0, 0, True), (0, 5, True)]
    assert verdict.trust_id == 39
    partly = judge(months, [(20, 22)], begins=True)
    assert partly is not None
    assert (partly.missing, partly.absent, partly.trust_id) == ([(23, 24)], [(20, 22)], 22)


def test_ids_that_changed_sides_at_midnight_are_not_holes() -> None:
    months = [month((1, 5), (7, 7)), month((6, 6), (8, 9)), month((10, 12))]
    verdict = judge(months, [], begins=True)
    assert verdict is not None
    assert (verdict.missing, verdict.overlaps) == ([], [])
    assert [each.proved for each in verdict.months] == [True, True, False]


def test_ids_in_two_stretches_are_told() -> None:
    verdict = judge([month((1, 5)), month((4, 9))], [], begins=True)
    assert verdict is not None
    assert verdict.overlaps == [((4, 5), 1)]


def test_nothing_stored_has_no_verdict() -> None:
    assert judge([], [], begins=True) is None
