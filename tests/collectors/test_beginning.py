"""With which trade a contract begins of which nothing is stored: one absurd id costs no real trade."""

from __future__ import annotations

import pytest

from collectors.beginning import LATE_DISTANCE, MOST_HELD, SUSPICIOUS_JUMP
from collectors.continuity import SETTLED_SECONDS, Cause, Continuity, Verdict
from tests.collectors.test_continuity import feed, missing
from tests.collectors.trades import trade

ABSURD = 5_000_000_000


def rejected(continuity: Continuity) -> list[int]:
    return [each.aggregate_id for each in continuity.rejected]


def verdicts(continuity: Continuity) -> list[tuple[Cause, Verdict, int | None, int]]:
    return [(each.cause, each.verdict, each.last_before, each.first_after) for each in continuity.boundaries]


def test_the_first_trade_is_held_until_the_next_one_bears_it_out() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(500), trade(500)) == []
    assert continuity.last_id is None
    assert verdicts(continuity) == []
    assert feed(continuity, trade(502)) == [500, 502]
    assert missing(continuity) == [(501, 501)]
    assert verdicts(continuity) == [(Cause.RESTART, Verdict.FIRST, None, 500)]


@pytest.mark.parametrize("absurd", [ABSURD, 7])
@pytest.mark.parametrize("place", [0, 1])
def test_an_absurd_id_is_rejected_and_every_real_trade_is_kept(absurd: int, place: int) -> None:
    continuity = Continuity(None)
    trades = [trade(600_000), trade(600_001), trade(600_002)]
    trades.insert(place, trade(absurd))
    assert feed(continuity, *trades) == [600_000, 600_001, 600_002]
    assert (rejected(continuity), missing(continuity)) == ([absurd], [])


@pytest.mark.parametrize("distance", [-LATE_DISTANCE, SUSPICIOUS_JUMP])
def test_one_as_far_as_any_may_be_bears_it_out(distance: int) -> None:
    assert feed(Continuity(None), trade(600_000), trade(600_000 + distance)) == sorted([600_000, 600_000 + distance])
    beyond = distance + (1 if distance > 0 else -1)
    assert feed(Continuity(None), trade(600_000), trade(600_000 + beyond)) == []


def test_of_trades_that_come_out_of_order_at_the_beginning_none_is_lost() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(500), trade(499), trade(501)) == [499, 500, 501]
    assert (missing(continuity), rejected(continuity)) == ([], [])


def test_an_id_that_was_used_twice_bears_itself_out() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(7), trade(7, first_trade_id=99)) == [7, 7]


def test_one_that_a_later_sequence_makes_credible_is_kept() -> None:
    """Nothing says that 700 is absurd, and what lies between is a hole; 300 came too late to be alone."""
    continuity = Continuity(None)
    assert feed(continuity, trade(700), trade(300), trade(301)) == [300, 700, 301]
    assert missing(continuity) == [(302, 699)]


def test_a_stream_that_broke_after_the_first_trade_gets_its_verdict() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(500))
    continuity.mark_boundary(Cause.RECONNECT)
    assert feed(continuity, trade(510), trade(511)) == [500, 510, 511]
    assert verdicts(continuity) == [
        (Cause.RESTART, Verdict.FIRST, None, 500),
        (Cause.RECONNECT, Verdict.GAP, 500, 510),
    ]
    assert [(hole.first_id, hole.last_id, hole.cause) for hole in continuity.holes] == [(501, 509, Cause.RECONNECT)]


@pytest.mark.parametrize("given_up_first", [False, True])
def test_so_does_one_that_broke_after_an_absurd_trade_that_came_in_between(given_up_first: bool) -> None:
    continuity = Continuity(None)
    feed(continuity, trade(500), trade(ABSURD))
    continuity.mark_boundary(Cause.RECONNECT)
    if given_up_first:
        continuity.learn_first(ABSURD, SETTLED_SECONDS, real=False)
    assert feed(continuity, trade(502)) == [500, 502]
    assert verdicts(continuity)[1:] == [(Cause.RECONNECT, Verdict.GAP, 500, 502)]


def test_what_broke_before_the_first_real_trade_is_no_gap() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(ABSURD))
    continuity.mark_boundary(Cause.RECONNECT)
    assert feed(continuity, trade(500), trade(501)) == [500, 501]
    assert verdicts(continuity) == [(Cause.RESTART, Verdict.FIRST, None, 500)]


def test_the_exchange_bears_out_a_first_trade_that_stays_alone() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(500))
    continuity.mark_boundary(Cause.RECONNECT)
    assert continuity.learn_first(501, 5.0, real=True) == []
    assert [each.aggregate_id for each in continuity.learn_first(500, 5.0, real=True)] == [500]
    assert continuity.learn_first(500, 5.0, real=True) == []
    # The interruption after it is settled as any other.
    assert continuity.awaits_verdict
    continuity.learn(503, 6.0)
    assert missing(continuity) == [(501, 503)]


def test_what_the_exchange_does_not_have_is_absurd_once_it_had_time_to_show_it() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(ABSURD), now=100.0)
    assert continuity.learn_first(ABSURD, 100.0 + SETTLED_SECONDS - 1, real=False) == []
    assert rejected(continuity) == []
    assert continuity.learn_first(ABSURD, 100.0 + SETTLED_SECONDS, real=False) == []
    assert rejected(continuity) == [ABSURD]
    assert feed(continuity, trade(1), trade(2)) == [1, 2]


def test_one_that_nobody_bears_out_is_reported_once_as_a_hole_of_its_own() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(500), now=10.0)
    assert [hole.first_id for hole in continuity.held_back] == [500]
    assert continuity.unproved(69.9, patience=60.0) == []
    (hole,) = continuity.unproved(70.0, patience=60.0)
    assert (hole.first_id, hole.last_id, hole.before_ms, hole.after_ms, hole.unproved) == (500, 500, None, None, True)
    assert continuity.unproved(71.0, patience=60.0) == continuity.held_back == []


def test_from_then_on_it_is_recoverys_and_still_the_beginning() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(500), now=10.0)
    continuity.unproved(70.0, patience=60.0)
    assert feed(continuity, trade(500), trade(503), now=80.0) == [503]
    assert missing(continuity) == [(501, 502)]
    assert verdicts(continuity) == [(Cause.RESTART, Verdict.FIRST, None, 500)]
    assert continuity.unproved(90.0, patience=0.0) == []


def test_of_trades_that_do_not_fit_together_only_the_newest_are_held() -> None:
    continuity = Continuity(None)
    far = [trade(number * 10 * SUSPICIOUS_JUMP) for number in range(1, MOST_HELD + 3)]
    assert feed(continuity, *far) == []
    assert rejected(continuity) == [far[0].aggregate_id, far[1].aggregate_id]
    last = far[-1].aggregate_id
    assert feed(continuity, trade(last + 1)) == [last, last + 1]
    assert len(rejected(continuity)) == MOST_HELD + 1


def test_what_the_exchange_had_before_a_contract_began_here_is_a_hole() -> None:
    continuity = Continuity(None)
    assert feed(continuity, trade(500), trade(501)) == [500, 501]
    assert continuity.learn_start(500, 501, 1.0) == []
    assert continuity.learn_start(497, 501, 1.0) == []
    assert [(hole.first_id, hole.last_id) for hole in continuity.unproved(1.0, 60.0)] == [(497, 499)]
    # Once it is said, a late frame of it is recovery's.
    assert feed(continuity, trade(498), trade(502)) == [502]
    assert Continuity(7).learn_start(3, 9, 1.0) == []


def test_what_the_exchange_has_of_a_contract_that_was_silent_here_is_a_hole_and_its_beginning() -> None:
    continuity = Continuity(None)
    continuity.learn_start(497, 498, 1.0)
    assert missing(continuity) == [(497, 498)]
    # One of them was only on its way.
    assert feed(continuity, trade(498), trade(501), now=1.5) == [498, 501]
    assert missing(continuity) == [(497, 497), (499, 500)]
    assert verdicts(continuity) == [(Cause.RESTART, Verdict.FIRST, None, 498)]


def test_what_is_held_belongs_to_what_the_exchange_has_or_is_absurd() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(ABSURD), trade(600_000))
    continuity.mark_boundary(Cause.RECONNECT)
    stored = continuity.learn_start(599_998, 600_000, 1.0)
    assert [each.aggregate_id for each in stored] == [600_000]
    assert (rejected(continuity), missing(continuity)) == ([ABSURD], [(599_998, 599_999)])
    assert feed(continuity, trade(600_001)) == [600_001]
    assert verdicts(continuity) == [
        (Cause.RESTART, Verdict.FIRST, None, 600_000),
        (Cause.RECONNECT, Verdict.CONTIGUOUS, 600_000, 600_001),
    ]


def test_one_that_was_received_before_what_the_exchange_has_is_kept() -> None:
    """Its clock may run faster, so that the time in question is shorter than it was here."""
    continuity = Continuity(None)
    feed(continuity, trade(500))
    assert [each.aggregate_id for each in continuity.learn_start(503, 504, 1.0)] == [500]
    assert missing(continuity) == [(501, 504)]
    assert rejected(continuity) == []


def test_one_that_was_reported_is_not_stored_when_the_exchange_has_it() -> None:
    continuity = Continuity(None)
    feed(continuity, trade(500))
    assert len(continuity.unproved(60.0, 60.0)) == 1
    assert continuity.learn_start(500, 500, 61.0) == []
    assert feed(continuity, trade(501)) == [501]
    assert missing(continuity) == []
