"""Frames of the exchange: whatever bytes they are, together they are what each is alone."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.binance.frames import MAX_EVENT_DELAY_MS, MAX_ID, MAX_TIME, MIN_TIME, decode
from collectors.binance.stream import MAX_FRAGMENTS, MAX_FRAME_BYTES, FrameReader, StreamClosed
from collectors.trade import Trade
from dataprovider.decimals import MAX_COUNT, to_count, to_text
from tests.abuse.between import frame
from tests.properties.profile import tried

KNOWN = {"BTCUSDT", "币安人生USDT"}

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, -1, MAX_ID - 1, MAX_ID, MIN_TIME, MAX_TIME - 1, MAX_TIME, 1791382992338])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["BTCUSDT", "83091.70", "0.022", "1e5", "-1", "0", "aggTrade", "9" * 70])
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


@st.composite
def trades(draw: st.DrawFn) -> dict[str, Any]:
    """A trade as the exchange would send it."""
    first = draw(st.integers(0, MAX_ID - 1))
    time = draw(st.integers(MIN_TIME, MAX_TIME - 1))
    return {
        "e": "aggTrade",
        "E": time + draw(st.integers(-MAX_EVENT_DELAY_MS, MAX_EVENT_DELAY_MS)),
        "a": draw(st.integers(0, MAX_ID - 1)),
        "s": draw(st.sampled_from(sorted(KNOWN))),
        "p": to_text(draw(st.integers(1, MAX_COUNT))),
        "q": to_text(draw(st.integers(0, MAX_COUNT))),
        "f": first,
        "l": draw(st.integers(first, MAX_ID - 1)),
        "T": time,
        "m": draw(st.booleans()),
    }


@st.composite
def spoiled(draw: st.DrawFn) -> dict[str, Any]:
    """A trade of which a field or two is anything, or is not there."""
    found = draw(trades())
    for name in draw(st.lists(st.sampled_from(sorted(found)), min_size=1, max_size=2)):
        if draw(st.booleans()):
            found[name] = draw(anything)
        else:
            found.pop(name, None)
    return found


messages = (
    trades() | spoiled() | anything | st.fixed_dictionaries({"stream": st.just("x"), "data": trades() | anything})
)
texts = messages.map(lambda each: json.dumps(each, ensure_ascii=False).encode("utf-8", "surrogatepass"))
#: Pieces of JSON, for frames that would be whole together.
pieces = st.lists(
    st.sampled_from([b"[", b"]", b"{", b"}", b",", b":", b'"', b"0", b'"a"', b'{"a":', b"{}", b"[]", b" "]), max_size=8
).map(b"".join)
payloads = texts | pieces | st.binary(max_size=20)


@tried(150)
@given(trades(), st.booleans())
def test_every_trade_of_the_exchange_is_taken_digit_for_digit(sent: dict[str, Any], wrapped: bool) -> None:
    text = json.dumps({"stream": "x", "data": sent} if wrapped else sent).encode()
    decoded = decode([text], KNOWN)
    assert decoded.trades == [
        Trade(
            *(sent["s"], sent["a"], to_count(sent["p"]), to_count(sent["q"])),
            *(sent["f"], sent["l"], sent["T"], sent["m"], sent["E"]),
        )
    ]


@tried(300)
@given(st.lists(payloads, max_size=6))
def test_together_they_are_what_each_is_alone(found: list[bytes]) -> None:
    together, alone = decode(found, KNOWN), [decode([each], KNOWN) for each in found]
    assert together.trades == [trade for each in alone for trade in each.trades]
    assert together.answers == [answer for each in alone for answer in each.answers]
    assert together.rejected == [letter for each in alone for letter in each.rejected]
    assert len(together.trades) + len(together.answers) + len(together.rejected) == len(found)
    for trade in together.trades:
        assert trade.symbol in KNOWN
        assert 0 <= trade.aggregate_id < MAX_ID
        assert 0 <= trade.first_trade_id <= trade.last_trade_id < MAX_ID
        assert 0 < trade.price <= MAX_COUNT
        assert 0 <= trade.quantity <= MAX_COUNT
        assert MIN_TIME <= trade.timestamp < MAX_TIME


@pytest.mark.parametrize("rest", [b"1],0,0", b"1],0,0,0,0"])
def test_two_halves_do_not_make_a_whole_of_what_stands_between(rest: bytes) -> None:
    """Parsed as one list without anything between them, these were [[0, trade, 1], 0, 0]."""
    trade = (
        b'{"e":"aggTrade","E":1791382992488,"a":1,"s":"BTCUSDT","p":"1","q":"1","f":1,"l":1,"T":1791382992338,"m":true}'
    )
    decoded = decode([b"[0", trade, rest], KNOWN)
    assert [each.aggregate_id for each in decoded.trades] == [1]
    assert [reason for reason, _ in decoded.rejected] == ["not JSON", "not JSON"]


heads = st.sampled_from([0x81, 0x01, 0x80, 0x00, 0x82, 0x89, 0x8A, 0x88, 0x09, 0xC1, 0x83]) | st.integers(0, 255)
stream_bytes = st.lists(
    st.builds(lambda payload, head: frame(payload, head), st.binary(max_size=200), heads) | st.binary(max_size=12),
    max_size=8,
).map(b"".join)


def read_all(data: bytes, cuts: list[int]) -> tuple[list[bytes], str]:
    """The messages of a stream that arrives cut like this, and why it ended."""
    reader, got, at = FrameReader(), list[bytes](), 0
    for cut in [*cuts, len(data)]:
        try:
            reader.feed(data[at : at + cut], got)
        except StreamClosed as end:
            return got, str(end)
        if reader.close_reason is not None:
            return got, reader.close_reason
        assert len(reader._rest) <= MAX_FRAME_BYTES + 14
        assert len(reader._fragments) <= MAX_FRAGMENTS
        at += cut
    return got, ""


@tried(300)
@given(stream_bytes, st.lists(st.integers(1, 40), max_size=12))
def test_however_the_network_cuts_it_a_stream_says_the_same(data: bytes, cuts: list[int]) -> None:
    assert read_all(data, cuts) == read_all(data, [])
