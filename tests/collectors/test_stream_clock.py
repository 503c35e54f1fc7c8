"""The exchange's time as its events tell it: no single one moves it, and a clock that was moved is followed."""

from __future__ import annotations

from math import inf

import pytest

from collectors.streamclock import ALONE_SECONDS, TOLERANCE_MS, StreamClock
from tests.collectors.trades import START_MS

HOUR = 3_600_000


@pytest.fixture
def clock() -> StreamClock:
    """One that knows that it was START_MS at 100.0 s."""
    found = StreamClock()
    for event_ms in (START_MS - 10, START_MS):
        found.observe(event_ms, 100.0)
    return found


def test_time_goes_on_between_events(clock: StreamClock) -> None:
    assert (clock.now_ms(100.0), clock.now_ms(101.5)) == (START_MS, START_MS + 1500)
    assert clock.observe(START_MS + 1600, 101.5)
    assert (clock.now_ms(101.5), clock.newest_ms) == (START_MS + 1600, START_MS + 1600)
    assert clock.latest_ms(101.5) == START_MS + 1600 + TOLERANCE_MS


def test_an_event_that_comes_late_does_not_turn_it_back(clock: StreamClock) -> None:
    assert clock.observe(START_MS - 900, 100.5)
    assert clock.now_ms(100.5) == START_MS + 500


@pytest.mark.parametrize("distance", [HOUR, -HOUR, TOLERANCE_MS + 1, -TOLERANCE_MS - 1, 10**12])
def test_no_single_event_moves_it_however_often_it_comes(clock: StreamClock, distance: int) -> None:
    for _ in range(5):
        assert not clock.observe(START_MS + distance, 100.0)
        assert clock.now_ms(100.0) == START_MS


def test_absurd_events_between_real_ones_move_nothing(clock: StreamClock) -> None:
    for number in range(1, 50):
        assert not clock.observe(START_MS + HOUR * number, 100.0 + number)
        assert clock.observe(START_MS + 1000 * number, 100.0 + number)
    assert clock.now_ms(149.0) == START_MS + 49_000


@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_was_moved_is_followed_from_the_third_event_on(clock: StreamClock, jump: int) -> None:
    assert [clock.observe(START_MS + jump + each, 100.5) for each in (500, 520, 540)] == [False, False, True]
    assert clock.observe(START_MS + jump + 600, 100.6)
    assert clock.now_ms(100.6) == START_MS + jump + 600


def test_an_absurd_event_right_after_a_jump_is_not_followed(clock: StreamClock) -> None:
    for each in (10**11, HOUR + 20, HOUR + 40):
        clock.observe(START_MS + each, 100.0)
    assert abs(clock.now_ms(100.0) - START_MS - HOUR) < 100


def test_before_the_second_event_nothing_is_known() -> None:
    clock = StreamClock()
    assert (clock.newest_ms, clock.now_ms(5.0), clock.latest_ms(5.0)) == (0, 0, inf)
    assert not clock.observe(START_MS, 5.0)
    assert clock.newest_ms == 0
    assert clock.observe(START_MS + 10, 5.1)
    assert clock.now_ms(5.2) == START_MS + 110


@pytest.mark.parametrize("absurd", [START_MS + HOUR, START_MS - HOUR])
def test_an_absurd_first_event_is_outvoted(absurd: int) -> None:
    clock = StreamClock()
    for event_ms in (absurd, absurd, START_MS):
        assert not clock.observe(event_ms, 5.0)
    assert clock.observe(START_MS + 10, 5.0)
    assert clock.now_ms(5.0) == START_MS + 10


def test_an_only_event_is_believed_after_a_while() -> None:
    clock = StreamClock()
    clock.tick(1.0)
    clock.observe(START_MS, 5.0)
    clock.tick(5.0 + ALONE_SECONDS - 0.1)
    assert clock.newest_ms == 0
    clock.tick(5.0 + ALONE_SECONDS)
    assert clock.now_ms(5.0 + ALONE_SECONDS) == START_MS + 1000 * ALONE_SECONDS


def test_a_replay_at_any_speed_is_followed() -> None:
    clock = StreamClock()
    for number in range(200):
        clock.observe(START_MS + number * 2 * TOLERANCE_MS, number / 50)
    assert 0 <= START_MS + 199 * 2 * TOLERANCE_MS - clock.now_ms(199 / 50) <= 4 * 2 * TOLERANCE_MS
