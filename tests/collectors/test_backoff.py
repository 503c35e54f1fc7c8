"""Waiting longer after each failure."""

from __future__ import annotations

import random

from collectors.backoff import Backoff


def test_delays_really_grow_up_to_their_limit_and_differ_between_two_clients() -> None:
    one, other = Backoff(1.0, 60.0, random.Random(1)), Backoff(1.0, 60.0, random.Random(2))
    delays = [one.next_delay() for _ in range(10)]
    for index, delay in enumerate(delays):
        ceiling = min(60.0, 2.0**index)
        assert ceiling / 2 <= delay <= ceiling
    assert delays != [other.next_delay() for _ in range(10)]


def test_success_begins_anew() -> None:
    backoff = Backoff(1.0, 60.0, random.Random(1))
    for _ in range(8):
        backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() <= 1.0
