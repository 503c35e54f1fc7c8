"""What clients send over WebSocket: obeyed, or refused in the protocol's words; nothing else is raised."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from api.binance.streams.names import stream_of
from api.cursors import Cursor
from api.parameters import MAX_ID, MAX_TIME_MS
from api.streaming.requests import (
    LARGEST_MESSAGE,
    LONGEST_SYMBOL,
    MOST_CANDLES,
    MOST_MINUTES,
    Ping,
    RequestError,
    Subscribe,
    read_request,
)
from dataprovider.simulator.commands import METHODS, CommandError, read_command
from tests.properties.profile import tried
from tests.properties.test_frames import anything, pieces

CODES = {
    "INVALID_JSON",
    "UNKNOWN_ACTION",
    "INVALID_SUBSCRIPTION",
    "INVALID_UNSUBSCRIPTION",
    "INVALID_TIMEFRAME",
    "MESSAGE_ERROR",
}

symbols = st.sampled_from(["BTCUSDT", "btcusdt", "../x", "A\0", ""]) | anything
timeframes = st.integers(1, MOST_MINUTES) | anything
wanted = st.fixed_dictionaries(
    {"timeframe": timeframes}, optional={"initial_candles": st.integers(-1, 1001) | anything}
)
native = st.fixed_dictionaries(
    {"action": st.sampled_from(["subscribe", "unsubscribe", "ping"]) | anything},
    optional={
        "subscriptions": st.lists(
            st.fixed_dictionaries({"symbol": symbols, "timeframes": st.lists(wanted, max_size=3) | anything}),
            max_size=3,
        )
        | anything,
        "unsubscriptions": st.lists(
            st.fixed_dictionaries({"symbol": symbols, "timeframes": st.lists(timeframes, max_size=3) | anything}),
            max_size=3,
        )
        | anything,
        "timestamp": anything,
    },
)
commands = st.fixed_dictionaries(
    {"method": st.sampled_from(METHODS) | anything},
    optional={"params": st.lists(st.text(max_size=20) | anything, max_size=3) | anything, "id": anything},
)


def text_of(message: Any) -> str:
    return json.dumps(message, ensure_ascii=False)


def deep(key: str, depth: int) -> str:
    return f'{{"action":"ping","{key}":{"[" * depth}{"]" * depth}}}'


native_texts = (
    native.map(text_of)
    | pieces.map(bytes.decode)
    | st.text(max_size=30)
    | st.integers(1, 1030).map(lambda depth: deep("timestamp", depth))
    | st.integers(LARGEST_MESSAGE - 2, LARGEST_MESSAGE + 2).map(lambda size: '{"action":"ping"}'.ljust(size))
)


@tried(400)
@given(native_texts | st.binary(max_size=10) | st.none())
def test_a_message_is_a_request_within_bounds_or_refused(text: str | bytes | None) -> None:
    refusal = None
    try:
        request = read_request(text)
    except RequestError as error:
        refusal = error
    if refusal is not None:
        assert refusal.code in CODES
        assert str(refusal).endswith(".")
        assert len(str(refusal)) < 200
        return
    assert isinstance(text, str)
    assert len(text) <= LARGEST_MESSAGE
    if isinstance(request, Ping):
        assert len(json.dumps(request.timestamp)) < 700
        return
    for each in request.wanted if isinstance(request, Subscribe) else request.unwanted:
        assert 0 < len(each.symbol) <= LONGEST_SYMBOL
        assert type(each.timeframe) is int
        assert 1 <= each.timeframe <= MOST_MINUTES
        assert 0 <= each.initial_candles <= MOST_CANDLES


@tried(300)
@given(commands.map(text_of) | pieces.map(bytes.decode) | st.integers(1, 1030).map(lambda n: deep("method", n)))
def test_a_command_is_one_of_the_exchanges_or_refused_in_its_words(text: str) -> None:
    refusal = None
    try:
        command = read_command(text)
    except CommandError as error:
        refusal = error
    if refusal is not None:
        assert set(json.loads(refusal.answer())) <= {"error", "id"}
        assert len(refusal.answer()) < 700
        return
    assert command.method in METHODS
    assert isinstance(command.params, list)


@tried(200)
@given(st.text(max_size=40) | st.builds("{}@{}".format, st.text(max_size=8), st.sampled_from(["aggTrade", "kline_7m"])))
def test_a_name_is_a_stream_or_nothing(name: str) -> None:
    stream = stream_of(name)
    if stream is not None:
        assert stream.name == name
        assert "\0" not in stream.symbol
        assert stream.symbol


@tried(200)
@given(st.text("ti0123456789-", max_size=45) | st.text(max_size=20))
def test_a_cursor_is_what_was_given_or_none(text: str) -> None:
    cursor = Cursor.from_text(text)
    if cursor is not None:
        assert 0 <= cursor.time <= MAX_TIME_MS
        assert 0 <= cursor.aggregate_id <= MAX_ID
        assert Cursor.from_text(str(cursor)) == cursor
