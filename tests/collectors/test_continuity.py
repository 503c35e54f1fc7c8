"""Which trades of a symbol are stored, and which ids are reported missing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from collectors.beginning import SUSPICIOUS_JUMP
from collectors.continuity import Cause, Continuity, Verdict
from collectors.trade import Trade
from tests.collectors.trades import trade


def feed(continuity: Continuity, *trades: Trade, now: float = 0.0) -> list[int]:
    """What the hot path of `Ingest.add` does; the ids that were stored."""
    stored: list[Trade] = []
    for each in trades:
        if each.aggregate_id == continuity.next_id:
            continuity.next_id += 1
            continuity.tail.append(each.first_trade_id)
            continuity.last_ms = each.timestamp
            stored.append(each)
        else:
            stored.extend(continuity.irregular(each, now))
    return [each.aggregate_id for each in stored]


def missing(continuity: Continuity) -> list[tuple[int, int]]:
    return [(hole.first_id, hole.last_id) for hole in continuity.holes]


def test_the_first_trade_of_a_new_symbol_begins_it() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(500), trade(501)) == [500, 501]
    assert [(b.verdict, b.last_before, b.first_after) for b in continuity.boundaries] == [(Verdict.FIRST, None, 500)]
    assert missing(continuity) == []


def test_the_second_trade_of_all_may_be_the_first_one_come_late() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(500), trade(498), trade(498), trade(501), trade(499)) == [498, 500, 501, 499]
    assert missing(continuity) == []
    assert [boundary.first_after for boundary in continuity.boundaries] == [498]
    assert feed(continuity, trade(300)) == []


def test_what_comes_before_the_first_trade_when_that_was_told_is_recoverys() -> None:
    """Seed 3122 of the simulation: an owner before had received 450, so all up to 499 was being recovered."""
    continuity = Continuity(None)
    late = trade(497)
    assert feed(continuity, trade(500), trade(501), late) == [500, 501]
    assert continuity.holds(late)
    assert feed(continuity, trade(498), trade(497), trade(495)) == []
    expected = [(497, 499), (495, 496)]
    assert [(hole.first_id, hole.last_id) for hole in continuity.held_back] == expected
    assert [(hole.first_id, hole.last_id) for hole in continuity.unproved(1.0, patience=60.0)] == expected
    assert continuity.unproved(2.0, patience=0.0) == continuity.held_back == []


def test_ids_that_continue_what_is_stored_are_contiguous() -> None:
    continuity = Continuity(99)
    assert feed(continuity, trade(100)) == [100]
    assert continuity.boundaries[0].verdict is Verdict.CONTIGUOUS


def test_an_empty_buffer_at_the_start_still_has_a_cursor() -> None:
    """The original lost 101 to 149 unnoticed when nothing was buffered at hand-over."""
    continuity = Continuity(100)
    assert feed(continuity, trade(150)) == [150]
    assert missing(continuity) == [(101, 149)]
    assert continuity.boundaries[0].verdict is Verdict.GAP
    assert continuity.holes[0].cause is Cause.RESTART


def test_a_duplicate_is_not_stored_and_does_not_move_the_cursor_back() -> None:
    """The original stored it, moved its cursor back and reported a false gap."""
    continuity = Continuity(None)
    assert feed(continuity, trade(1), trade(2), trade(3), trade(2), trade(4)) == [1, 2, 3, 4]
    assert missing(continuity) == []


def test_what_is_stored_already_is_not_stored_again_after_a_restart() -> None:
    continuity = Continuity(10)
    assert feed(continuity, trade(9), trade(10), trade(11)) == [11]
    assert continuity.boundaries[0].verdict is Verdict.OVERLAP


def test_skipped_ids_become_a_gap_once_their_grace_is_over() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(1), trade(5), now=10.0)
    assert continuity.due_holes(11.9, grace=2.0) == []
    assert [(hole.first_id, hole.last_id) for hole in continuity.due_holes(12.0, grace=2.0)] == [(2, 4)]
    assert continuity.due_holes(13.0, grace=2.0) == []


def test_a_late_trade_fills_its_hole_and_nothing_is_reported() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(1), trade(4), trade(3), trade(2), trade(5)) == [1, 4, 3, 2, 5]
    assert continuity.due_holes(100.0, grace=2.0) == []


def test_a_late_trade_in_the_middle_of_a_hole_leaves_both_sides() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(1), trade(9), trade(5))
    assert missing(continuity) == [(2, 4), (6, 8)]


def test_two_trades_under_one_id_are_both_kept_once() -> None:
    """As on SOLUSDT, aggregate id 926014272, 2025-07-16."""
    continuity = Continuity(None)
    first, second = trade(7, first_trade_id=2468302188), trade(7, first_trade_id=2468302190)
    assert feed(continuity, first, second, first, second, trade(8)) == [7, 7, 8]


def test_after_a_reconnect_the_next_trade_gets_a_verdict() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(1), trade(2))
    continuity.mark_boundary(Cause.RECONNECT)
    assert continuity.last_id == 2
    assert feed(continuity, trade(6), now=5.0) == [6]
    assert continuity.boundaries[-1].verdict is Verdict.GAP
    assert (continuity.holes[0].cause, continuity.holes[0].before_ms) == (Cause.RECONNECT, trade(2).timestamp)


def test_what_the_exchange_says_is_missing_is_a_hole_before_any_trade_shows_it() -> None:
    continuity = Continuity(100)
    continuity.learn(103, now=1.0)
    assert missing(continuity) == [(101, 103)]
    # A trade that was just arriving fills its part, and the next one continues.
    assert feed(continuity, trade(103), trade(104), trade(102), trade(102)) == [103, 104, 102]
    assert missing(continuity) == [(101, 101)]


def test_what_the_exchange_says_changes_nothing_without_an_interruption() -> None:
    continuity = Continuity(None)
    continuity.learn(900, now=1.0)
    feed(continuity, trade(1), trade(2))
    continuity.learn(900, now=1.0)
    assert missing(continuity) == []
    assert feed(continuity, trade(3)) == [3]


def test_an_absurd_id_is_held_back_and_rejected_when_the_sequence_goes_on() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(1), trade(5_000_000_000), trade(2), trade(4), trade(3)) == [1, 2, 4, 3]
    assert [each.aggregate_id for each in continuity.rejected] == [5_000_000_000]
    assert missing(continuity) == []


def test_a_real_jump_is_believed_when_the_next_trade_continues_it() -> None:
    continuity = Continuity(1)
    far = SUSPICIOUS_JUMP + 10
    assert feed(continuity, trade(far), trade(far), trade(far + 1)) == [far, far + 1]
    assert missing(continuity) == [(2, far - 1)]


def test_a_reported_hole_is_recoverys_and_a_trade_of_it_that_comes_still_later_is_not_stored() -> None:
    """Recovery fetches it: the late one would be there twice."""
    continuity = Continuity(None)
    feed(continuity, trade(1), trade(5), now=10.0)
    assert len(continuity.due_holes(12.0, grace=2.0)) == 1
    assert missing(continuity) == []
    assert feed(continuity, trade(3), trade(6), trade(3), trade(4, first_trade_id=99), now=12.1) == [6]


def test_a_hole_that_is_younger_than_its_grace_can_still_be_filled() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(1), trade(4), now=10.0)
    feed(continuity, trade(8), now=11.5)
    assert [(hole.first_id, hole.last_id) for hole in continuity.due_holes(12.0, grace=2.0)] == [(2, 3)]
    assert feed(continuity, trade(2), trade(6), now=12.1) == [6]
    assert missing(continuity) == [(5, 5), (7, 7)]


def test_what_the_exchange_said_is_missing_is_recoverys_too_once_reported() -> None:
    continuity = Continuity(100)
    continuity.learn(103, now=1.0)
    assert len(continuity.due_holes(3.0, grace=2.0)) == 1
    assert feed(continuity, trade(102), trade(104), trade(103), now=3.1) == [104]


def test_the_verdict_counts_from_the_last_trade_here_whatever_the_exchange_said_meanwhile() -> None:
    continuity = Continuity(100)
    continuity.learn(103, now=1.0)
    feed(continuity, trade(104))
    assert [(b.verdict, b.last_before, b.first_after) for b in continuity.boundaries] == [(Verdict.GAP, 100, 104)]


@given(st.lists(st.integers(0, 60), max_size=120), st.one_of(st.none(), st.integers(0, 30)))
def test_whatever_arrives_in_whatever_order_each_id_is_stored_once_or_missing(
    ids: list[int], frontier: int | None
) -> None:
    continuity = Continuity(frontier)
    stored = feed(continuity, *(trade(each) for each in ids))
    # A first trade that is alone, and late ones before the first.
    told = {each for hole in continuity.held_back for each in range(hole.first_id, hole.last_id + 1)}
    beginning = min(ids, default=1) if frontier is None else frontier + 1
    expected = {each for each in ids if each >= beginning}
    assert sorted(stored) == sorted(expected - told)
    top = max(expected, default=beginning - 1)
    assert (continuity.last_id is None) == (frontier is None and len(expected) < 2)
    holes = {each for first, last in missing(continuity) for each in range(first, last + 1)}
    assert holes == set(range(beginning, top + 1)) - expected - told
