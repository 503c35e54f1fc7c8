"""WebSocket frames out of a byte stream, however the network cuts it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.binance.stream import FrameReader, StreamClosed


def frame(payload: bytes, head: int = 0x81) -> bytes:
    if len(payload) < 126:
        return bytes([head, len(payload)]) + payload
    if len(payload) < 65536:
        return bytes([head, 126]) + struct.pack("!H", len(payload)) + payload
    return bytes([head, 127]) + struct.pack("!Q", len(payload)) + payload


@given(st.lists(st.binary(max_size=300), max_size=12), st.lists(st.integers(1, 50), min_size=1))
def test_messages_survive_any_cut(messages: list[bytes], cuts: list[int]) -> None:
    data, reader, got, position, turn = b"".join(map(frame, messages)), FrameReader(), list[bytes](), 0, 0
    while position < len(data):
        step = cuts[turn % len(cuts)]
        reader.feed(data[position : position + step], got)
        position, turn = position + step, turn + 1
    assert got == messages


def test_a_long_message_and_a_fragmented_one_are_whole() -> None:
    reader, got = FrameReader(), list[bytes]()
    long = b"x" * 70_000
    reader.feed(frame(long) + frame(b"one ", 0x01) + frame(b"ping", 0x89) + frame(b"two", 0x80), got)
    assert got == [long, b"one two"]
    assert reader.take_pings() == [b"ping"]
    assert reader.take_pings() == []


def test_of_many_pings_the_newest_is_answered() -> None:
    reader = FrameReader()
    reader.feed(frame(b"1", 0x89) + frame(b"2", 0x89), [])
    assert reader.take_pings() == [b"2"]


def test_what_comes_after_a_goodbye_is_not_read() -> None:
    reader, got = FrameReader(), list[bytes]()
    reader.feed(frame(b"", 0x88) + frame(b"late") + frame(b"x", 0x83), got)
    assert (got, reader.close_reason) == ([], "no reason given")


def test_a_close_frame_tells_its_reason_after_what_came_before() -> None:
    reader, got = FrameReader(), list[bytes]()
    reader.feed(frame(b"last") + frame(struct.pack("!H", 1008) + b"Too many requests", 0x88), got)
    assert (got, reader.close_reason) == ([b"last"], "1008 Too many requests")


@pytest.mark.parametrize(
    "data",
    [
        b"\x81\x7f" + struct.pack("!Q", 1 << 40),
        bytes([0x81, 0x80 | 5]) + b"mask" + b"hello",
        frame(b"x", 0xC1),
        frame(b"x", 0x83),
        b"".join(frame(b"y" * 60_000, 0x01 if n == 0 else 0x00) for n in range(20)),
        frame(b"", 0x01) + frame(b"", 0x00) * 2000,
        frame(b"p" * 126, 0x89),
        frame(b"p", 0x09),
        frame(b"\x03\xe8" + b"x" * 200, 0x88),
    ],
    ids=[
        *("endless length", "masked", "reserved bits", "unknown kind", "endless fragments", "empty fragments"),
        *("long ping", "ping in pieces", "long goodbye"),
    ],
)
def test_what_no_exchange_sends_ends_the_connection(data: bytes) -> None:
    with pytest.raises(StreamClosed):
        FrameReader().feed(data, [])
