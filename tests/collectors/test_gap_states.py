"""What becomes of a gap: each step once, by whoever is first, and nothing that its states do not allow."""

from __future__ import annotations

import pytest

from collectors.directory import sync_symbols
from collectors.gaps import mark_absent, mark_recovered, open_gaps, reopen, settle, take_up
from collectors.messages import GapFound
from collectors.models import Gap
from dataprovider.states import IllegalTransition
from tests.collectors.test_symbols import entry

pytestmark = pytest.mark.django_db

REST = {"source": "rest", "next_id": 20}


@pytest.fixture
def gap() -> Gap:
    """An open gap of the ids 10 to 19, which has evidence already."""
    sync_symbols([entry("BTCUSDT")])
    open_gaps([GapFound("BTCUSDT", 10, 19, "reconnect", before_ms=1, after_ms=2, evidence={"reason": "why"})])
    return Gap.objects.get()


def rows() -> list[tuple[int, int, str]]:
    return list(Gap.objects.order_by("first_id", "id").values_list("first_id", "last_id", "status"))


def again(gap: Gap) -> Gap:
    """The same gap as another process sees it."""
    return Gap.objects.get(pk=gap.pk)


def test_only_one_takes_a_gap_up(gap: Gap) -> None:
    other = again(gap)
    assert take_up([gap]) == [gap]
    assert gap.status == again(gap).status == "recovering"
    assert take_up([other]) == []
    assert other.status == "open"


def test_nothing_is_taken_up_when_one_may_not_be(gap: Gap) -> None:
    open_gaps([GapFound("BTCUSDT", 30, 39, "stream")])
    first, second = Gap.objects.order_by("first_id")
    mark_recovered(second, {})
    with pytest.raises(IllegalTransition):
        take_up([first, second])
    with pytest.raises(IllegalTransition):
        mark_absent(second, REST)
    assert again(first).status == "open"


def test_a_recovered_gap_stays_so_and_what_is_missing_again_is_a_new_one(gap: Gap) -> None:
    take_up([gap])
    assert mark_recovered(gap, {"stored": 10})
    assert again(gap).evidence == {"reason": "why", "stored": 10}
    with pytest.raises(IllegalTransition):
        reopen(gap, "no way back")
    open_gaps([GapFound("BTCUSDT", 12, 13, "unclean_stop")])
    assert rows() == [(10, 19, "recovered"), (12, 13, "open")]


def test_what_is_absent_is_not_opened_again_by_who_finds_it_missing(gap: Gap) -> None:
    take_up([gap])
    assert mark_absent(gap, REST)
    assert open_gaps([GapFound("BTCUSDT", 8, 25, "check")]) == 2
    assert rows() == [(8, 9, "open"), (10, 19, "absent_upstream"), (20, 25, "open")]


def test_an_absent_gap_may_be_asked_for_again_and_says_why(gap: Gap) -> None:
    mark_absent(gap, REST)
    assert reopen(gap, "The archive was replaced.")
    assert [each["reason"] for each in again(gap).evidence["reopened"]] == ["The archive was replaced."]
    for number in range(30):
        take_up([gap])
        reopen(gap, f"try {number}")
    found = again(gap)
    assert (found.status, found.evidence["reason"], found.evidence["next_id"]) == ("open", "why", 20)
    assert [each["reason"] for each in found.evidence["reopened"]] == [f"try {number}" for number in range(10, 30)]


def test_who_believes_in_an_older_state_changes_nothing(gap: Gap) -> None:
    take_up([gap])
    one, other = again(gap), again(gap)
    assert mark_absent(one, REST)
    assert not mark_recovered(other, {"stored": 10})
    assert not settle(other, [], still_missing=False)
    assert not settle(other, [(10, 12, REST)], still_missing=False)
    assert not settle(other, [], still_missing=True)
    assert rows() == [(10, 19, "absent_upstream")]
    assert again(gap).evidence == {"reason": "why", **REST}


def test_a_gap_that_nobody_took_up_stays_open_while_it_is_missing(gap: Gap) -> None:
    assert not settle(gap, [], still_missing=True)
    assert rows() == [(10, 19, "open")]


def test_what_is_being_recovered_already_stays_so(gap: Gap) -> None:
    take_up([gap])
    assert take_up([again(gap)]) == []
    assert rows() == [(10, 19, "recovering")]


def test_new_evidence_does_not_wipe_out_what_was_there(gap: Gap) -> None:
    mark_absent(gap, {"source": "person", "reason": "The exchange was down."})
    assert again(gap).evidence == {
        "reason": "The exchange was down.",
        "source": "person",
        "earlier": [{"reason": "why"}],
    }


@pytest.mark.parametrize(
    ("absent", "still_missing", "expected"),
    [
        ([], False, [(10, 19, "recovered")]),
        ([], True, [(10, 19, "open")]),
        # What was proved about a part is proved again when the rest is there.
        ([(10, 12, REST)], True, [(10, 19, "open")]),
        ([(10, 19, REST)], False, [(10, 19, "absent_upstream")]),
        ([(5, 30, REST)], False, [(10, 19, "absent_upstream")]),
        ([(10, 14, REST), (15, 19, REST)], False, [(10, 19, "absent_upstream")]),
        ([(1, 9, REST), (20, 30, REST)], False, [(10, 19, "recovered")]),
        ([(12, 13, REST)], False, [(10, 19, "recovered"), (12, 13, "absent_upstream")]),
        (
            [(18, 40, REST), (5, 11, REST), (10, 12, REST)],
            False,
            [
                (10, 11, "absent_upstream"),
                (10, 19, "recovered"),
                (12, 12, "absent_upstream"),
                (18, 19, "absent_upstream"),
            ],
        ),
    ],
)
def test_an_attempt_settles_a_gap(
    gap: Gap,
    absent: list[tuple[int, int, dict[str, object]]],
    still_missing: bool,
    expected: list[tuple[int, int, str]],
) -> None:
    take_up([gap])
    assert settle(gap, absent, still_missing)
    assert sorted(rows()) == sorted(expected)
    assert again(gap).status == gap.status
    assert again(gap).evidence["reason"] == "why"


def test_absent_parts_carry_their_own_evidence_and_the_gap_names_them(gap: Gap) -> None:
    take_up([gap])
    archive = {"source": "archive", "files": ["BTCUSDT-aggTrades-2024-01-01.zip"]}
    settle(gap, [(12, 13, REST), (15, 15, archive)], still_missing=False)
    assert again(gap).evidence == {"reason": "why", "absent": [[12, 13], [15, 15]]}
    parts = Gap.objects.filter(status="absent_upstream").order_by("first_id")
    assert [part.evidence for part in parts] == [{**each, "part_of": [10, 19]} for each in (REST, archive)]
    assert {(part.symbol.name, part.cause, part.before_ms, part.after_ms) for part in parts} == {
        ("BTCUSDT", "reconnect", 1, 2)
    }


def test_a_gap_that_is_absent_in_parts_keeps_the_evidence_of_each(gap: Gap) -> None:
    take_up([gap])
    settle(gap, [(10, 14, REST), (15, 19, {"source": "archive"})], still_missing=False)
    assert again(gap).evidence["parts"] == [
        {**REST, "ids": [10, 14]},
        {"source": "archive", "ids": [15, 19]},
    ]
