"""What clients send over WebSocket: `python -m tests.fuzz.messages --seconds 60`."""

from __future__ import annotations

import json
import os

from tests.fuzz.driver import Check, must_be_short, run

#: The first byte says whose protocol the rest is in: ours (even) or the exchange's (odd).
SEEDS = [
    b'\0{"action":"subscribe","subscriptions":[{"symbol":"BTCUSDT","timeframes":[{"timeframe":7,"initial_candles":3}]}]}',
    b'\0{"action":"unsubscribe","unsubscriptions":[{"symbol":"BTCUSDT","timeframes":[7]}]}',
    b'\0{"action":"ping","timestamp":1}',
    b'\1{"method":"SUBSCRIBE","params":["btcusdt@kline_173m","btcusdt@aggTrade"],"id":1}',
    b'\1{"method":"SET_PROPERTY","params":["combined",true],"id":"x"}',
    b'\1{"method":"LIST_SUBSCRIPTIONS","id":1}',
]
DEEP = b"[" * 1000 + b"]" * 1000
#: What was found once.
FOUND = [
    # Written out for an answer, it was too deep to write.
    b'\0{"action":"ping","timestamp":' + DEEP + b"}",
    b'\1{"method":' + DEEP + b"}",
    b'\1{"method":"' + b"x" * 3000 + b'"}',
]


def target() -> Check:
    """Whatever the bytes, they are a request within bounds or refused in the protocol's words."""
    from api.binance.streams.names import stream_of
    from api.streaming import requests
    from dataprovider.simulator.commands import METHODS, CommandError, read_command

    def ours(text: str) -> None:
        try:
            request = requests.read_request(text)
        except requests.RequestError as error:
            must_be_short(error, 200)
            return
        if isinstance(request, requests.Ping):
            assert len(json.dumps(request.timestamp)) < 700
            return
        for each in request.wanted if isinstance(request, requests.Subscribe) else request.unwanted:
            assert 0 < len(each.symbol) <= requests.LONGEST_SYMBOL
            assert 1 <= each.timeframe <= requests.MOST_MINUTES
            assert 0 <= each.initial_candles <= requests.MOST_CANDLES

    def theirs(text: str) -> None:
        try:
            command = read_command(text)
        except CommandError as error:
            must_be_short(Exception(error.message), 400)
            return
        assert command.method in METHODS
        for name in command.params:
            stream = stream_of(name) if isinstance(name, str) else None
            assert stream is None or "\0" not in stream.symbol

    def check(data: bytes) -> None:
        text = data[1:].decode("utf-8", "replace")
        (theirs if data[:1] and data[0] % 2 else ours)(text)

    return check


if __name__ == "__main__":
    # Names of streams are read beside what needs Django's settings; nothing is served with this key.
    os.environ.update(DJANGO_SETTINGS_MODULE="dataprovider.settings", SECRET_KEY="fuzz")
    run(target, [*SEEDS, *FOUND])
