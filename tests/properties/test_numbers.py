"""Decimals, buckets of time and sets of ids, against the plainest way to say the same."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.binance.intervals import MAX_MINUTES, Interval, interval_of
from api.candles import END_OF_TIME, Window
from api.parameters import MAX_TIME_MS
from api.udf.resolutions import resolution_of
from collectors.continuity import Cause, Continuity
from collectors.gaps import uncovered, without
from collectors.messages import GapFound
from collectors.trade import Trade
from dataprovider.decimals import MAX_COUNT, PLACES, product_to_text, to_count, to_text
from integrity.checks import ids
from tests.properties.profile import tried

PLAIN = re.compile(r"[0-9]+(\.[0-9]{1,8})?", re.ASCII)
digits = st.text("0123456789", max_size=14)


@tried(300)
@given(st.builds(lambda a, dot, b: a + dot + b, digits, st.sampled_from(["", "."]), digits) | st.text(max_size=30))
def test_a_decimal_is_taken_exactly_or_not_at_all(text: str) -> None:
    whole = Decimal(text).scaleb(PLACES) if PLAIN.fullmatch(text) else None
    if whole is not None and whole <= MAX_COUNT:
        assert to_count(text) == int(whole)
        assert to_count(to_text(to_count(text))) == int(whole)
    else:
        with pytest.raises(ValueError) as refused:
            to_count(text)
        assert len(str(refused.value)) < 400


@tried(200)
@given(st.integers(-(2**127), 2**127))
def test_a_count_is_written_as_the_shortest_number_of_its_value(count: int) -> None:
    for text, places in ((to_text(count), 8), (product_to_text(count), 16)):
        assert re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?", text, re.ASCII)
        negative, (whole, _, fraction) = text.startswith("-"), text.removeprefix("-").partition(".")
        value = int(whole) * 10**places + int(fraction.ljust(places, "0") or 0)
        assert (-value if negative else value) == count


times = st.integers(0, MAX_TIME_MS - 1)
minutes = st.integers(1, MAX_MINUTES) | st.sampled_from([1, 7, 60, 173, 1440, 2850, 10_080, MAX_MINUTES])
intervals = minutes.map(Interval) | st.sampled_from([interval_of("1w"), interval_of("1M"), interval_of("3d")])


@tried(300)
@given(intervals, times)
def test_buckets_of_any_interval_lie_side_by_side(interval: Interval, time: int) -> None:
    begin = interval.opening(time)
    end = interval.following(begin)
    assert begin <= time < end
    assert interval.opening(begin) == begin
    assert interval.opening(end - 1) == begin
    assert interval.opening(end) == end
    if interval.minutes is None:
        assert datetime.fromtimestamp(begin / 1000, UTC).day == 1
    elif not interval.offset_ms:
        assert begin % (interval.minutes * 60_000) == 0


@tried(200)
@given(st.text("0123456789mhdwM", max_size=7))
def test_a_name_is_an_interval_of_the_length_it_says_or_none(text: str) -> None:
    interval = interval_of(text)
    if re.fullmatch(r"[1-9][0-9]*m", text) and int(text[:-1]) <= MAX_MINUTES:
        assert interval == Interval(int(text[:-1]))
    elif interval is not None:
        assert text in ("1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")
    found = resolution_of(text)
    assert found is None or found.minutes is None or 1 <= found.minutes <= MAX_MINUTES


@tried(300)
@given(minutes, st.none() | times, st.none() | times, times, times, st.integers(1, 30_000), st.booleans())
def test_the_pieces_of_a_window_are_the_window(
    timeframe: int, start: int | None, end: int | None, one: int, other: int, limit: int, newest_first: bool
) -> None:
    span = timeframe * 60
    asked = Window.of_open_times(timeframe, start, end)
    for edge in (asked.since, asked.until):
        assert edge % span == 0
    # Exactly the candles that open in [start, end].
    if start is not None:
        assert asked.since * 1000 >= start > (asked.since - span) * 1000
    if end is not None and (start is None or start <= end):
        assert (asked.until - span) * 1000 <= end or asked.since == asked.until
        assert asked.until * 1000 > end
    window = asked.within(min(one, other) // 1000, max(one, other) // 1000, timeframe)
    assert asked.since <= window.since <= window.until
    assert window.since == window.until or window.until <= min(asked.until, END_OF_TIME + span)
    pieces = window.pieces(timeframe, limit, newest_first=newest_first)
    if newest_first:
        pieces.reverse()
    assert [piece.since for piece in pieces[1:]] == [piece.until for piece in pieces[:-1]]
    if window.since < window.until:
        assert (pieces[0].since, pieces[-1].until) == (window.since, window.until)
    assert all(piece.since % span == piece.until % span == 0 for piece in pieces)
    assert len(pieces) < 20


@st.composite
def ranges(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Some, which may overlap."""
    found = draw(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 8)), max_size=6))
    return [(first, first + length) for first, length in found]


def every(found: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in found for number in range(first, last + 1)}


def apart(found: list[tuple[int, int]]) -> bool:
    """Ascending, none empty, none meeting another."""
    return all(first <= last for first, last in found) and all(one[1] + 1 < other[0] for one, other in pairwise(found))


@tried(300)
@given(ranges(), ranges())
def test_sets_of_ids_are_sets(ones: list[tuple[int, int]], twos: list[tuple[int, int]]) -> None:
    one, two = ids.united(ones), ids.united(twos)
    assert apart(one)
    assert every(one) == every(ones)
    assert ids.size(one) == len(every(ones))
    for found, expected in (
        (ids.common(one, two), every(ones) & every(twos)),
        (ids.without(one, two), every(ones) - every(twos)),
    ):
        assert apart(found)
        assert every(found) == expected


@tried(300)
@given(st.integers(0, 40), st.integers(-1, 20), ranges())
def test_what_is_missing_is_what_nothing_covers(first: int, length: int, known: list[tuple[int, int]]) -> None:
    parts = without(first, first + length, known)
    assert apart(parts)
    assert every(parts) == set(range(first, first + length + 1)) - every(known)


@tried(200)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 40), st.integers(0, 8)), max_size=8), ranges())
def test_no_id_is_in_two_gaps(found: list[tuple[str, int, int]], known: list[tuple[int, int]]) -> None:
    gaps = [GapFound(symbol, first, first + length, "stream", None, None) for symbol, first, length in found]
    parts = uncovered(gaps, {"A": list(known)})
    for symbol, covered in (("A", every(known)), ("B", set[int]())):
        numbers = [n for part in parts if part.symbol == symbol for n in range(part.first_id, part.last_id + 1)]
        assert len(numbers) == len(set(numbers))
        wanted = every([(first, first + length) for name, first, length in found if name == symbol])
        assert set(numbers) == wanted - covered


steps = st.lists(
    st.tuples(st.sampled_from(["trade", "trade", "trade", "cut", "wait", "learn", "ask"]), st.integers(100, 130)),
    max_size=40,
)


@tried(300)
@given(st.none() | st.integers(95, 110), steps)
def test_every_id_of_one_symbol_is_stored_once_or_missing(
    frontier: int | None, happened: list[tuple[str, int]]
) -> None:
    """Whatever comes in whatever order: from the first id on each is stored once, in a hole, reported or to come."""
    continuity, now = Continuity(frontier), 0.0
    stored: list[int] = []
    gone: set[int] = set()
    for what, number in happened:
        if what == "trade":
            trade = Trade("BTCUSDT", number, 1, 1, number, number, 1, is_buyer_maker=False, event_time=1)
            if number == continuity.next_id:
                continuity.next_id += 1
                continuity.tail.append(number)
                stored.append(number)
            else:
                stored += [each.aggregate_id for each in continuity.irregular(trade, now)]
        elif what == "cut":
            continuity.mark_boundary(Cause.RECONNECT)
        elif what == "learn":
            continuity.learn(number, now)
        elif what == "ask":
            stored += [each.aggregate_id for each in continuity.learn_first(number, now, real=True)]
        else:
            now += 1
            for hole in [*continuity.due_holes(now, 2.0), *continuity.unproved(now, 10.0)]:
                numbers = set(range(hole.first_id, hole.last_id + 1))
                assert not numbers & gone
                gone |= numbers
    assert len(stored) == len(set(stored))
    assert not set(stored) & gone
    waiting = [(hole.first_id, hole.last_id) for hole in continuity.holes]
    assert len(every(waiting)) == sum(last - first + 1 for first, last in waiting)
    assert not every(waiting) & (gone | set(stored))
    last = continuity.last_id
    if last is not None and (stored or gone or waiting):
        begin = min([*stored, *gone, *every(waiting)]) if frontier is None else frontier + 1
        assert set(range(begin, last + 1)) == set(stored) | gone | every(waiting)
