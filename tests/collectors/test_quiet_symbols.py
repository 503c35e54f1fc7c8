"""A symbol that falls silent is asked for again, ever more rarely."""

from __future__ import annotations

from collectors.quiet import QuietWatch


def asked_at(watch: QuietWatch, *, seen_at: float, received: int, until: int) -> list[int]:
    return [
        now
        for now in range(until)
        if watch.due("X", seen_at=seen_at, tracked_since=0.0, received=received, now=float(now))
    ]


def test_a_busy_symbol_is_noticed_after_ninety_seconds_and_then_ever_more_rarely() -> None:
    assert asked_at(QuietWatch(), seen_at=10.0, received=1000, until=900) == [101, 192, 373, 734]


def test_a_symbol_that_trades_rarely_is_given_time() -> None:
    assert asked_at(QuietWatch(), seen_at=100.0, received=10, until=400) == []


def test_a_trade_ends_the_suspicion() -> None:
    watch = QuietWatch()
    asked_at(watch, seen_at=10.0, received=1000, until=200)
    assert watch.count == 1
    assert not watch.due("X", seen_at=200.0, tracked_since=0.0, received=1001, now=201.0)
    assert watch.count == 0
