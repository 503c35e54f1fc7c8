"""A stream that sends what no exchange should: only that connection suffers, and what is lost is a gap."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

import psutil
import pytest

from collectors.binance import stream
from dataprovider.clickhouse import ClickHouse
from tests.abuse.between import Between, Frames, Link, frame
from tests.collectors.archive_server import Server
from tests.fixtures_collectors import RunningCollectors, duplicated_ids, missing_ids, sent_gap_ids
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

MB = 1_000_000
TRADE = '{"e":"aggTrade","E":1791382992488,"a":%s,"s":%s,"p":%s,"q":"1","f":1,"l":1,"T":%s,"m":false}'

#: What cannot be used and harms nothing: it is kept aside, and the connection goes on.
USELESS = [
    b"\xff\xfe\xfd",
    b'{"e":"aggTrade","s":"\xc3\x28"}',
    b"",
    b"\0",
    b'{"e":"aggTrade\\u0000"}',
    b"[" * 100_000,
    b'{"data":' * 900 + b"1" + b"}" * 900,
    b'{"e":"forceOrder","o":{}}',
    b'{"e":null}',
    b'{"data":[{"e":"aggTrade"}]}',
    b"1e999",
    b"9" * 100_000,
    b'"' + b"x" * 900_000 + b'"',
    *(
        (TRADE % each).encode()
        for each in (
            ("-1", '"BTCUSDT"', '"1"', "1791382992338"),
            ("99999999999999999999", '"BTCUSDT"', '"1"', "1791382992338"),
            ("1e300", '"BTCUSDT"', '"1"', "1791382992338"),
            ("true", '"BTCUSDT"', '"1"', "1791382992338"),
            ('"1"', '"BTCUSDT"', '"1"', "1791382992338"),
            ("1", '["BTCUSDT"]', '"1"', "1791382992338"),
            ("1", '"BTCUSDT\\u0000"', '"1"', "1791382992338"),
            ("1", '"../../etc/passwd"', '"1"', "1791382992338"),
            ("1", '"BTCUSDT"', '"1e5"', "1791382992338"),
            ("1", '"BTCUSDT"', '"NaN"', "1791382992338"),
            ("1", '"BTCUSDT"', f'"{"9" * 50_000}"', "1791382992338"),
            ("1", '"BTCUSDT"', "1.5", "1791382992338"),
            ("1", '"BTCUSDT"', '"1"', "1791382992338000000"),
            ("1", '"BTCUSDT"', '"1"', "4102444800000"),
            ("1", '"BTCUSDT"', '"1"', "-1"),
        )
    ),
]

#: What ends the connection: what is sent, and what the log says of it.
ENDING: dict[str, tuple[Callable[[], Frames], str]] = {
    "a frame of 100 MB": (
        lambda: iter([b"\x81\x7f" + struct.pack("!Q", 100 * MB), *repeat(b"x" * MB, 100)]),
        "a frame of 100000000 bytes",
    ),
    "pieces without end": (
        lambda: iter([frame(b"x", 0x01), *repeat(frame(b"x" * 60_000, 0x00), 200)]),
        "a message without end",
    ),
    "empty pieces without end": (
        lambda: iter([frame(b"", 0x01), *repeat(frame(b"", 0x00) * 10_000, 100)]),
        "a message without end",
    ),
    # Nothing was agreed, so a bomb has no way in.
    "a compressed frame": (lambda: [frame(b"\xec\xc1\x01\x01" + b"\0" * 100, 0xC1)], "reserved bits"),
    "a masked frame": (lambda: [bytes([0x81, 0x85]) + b"maskhello"], "a masked frame"),
    "an unknown kind of frame": (lambda: [frame(b"x", 0x83)], "unknown kind 3"),
    "a long ping": (lambda: [frame(b"x" * 500_000, 0x89)], "control frame"),
    "a long goodbye": (lambda: [frame(b"\x03\xe8" + b"x" * 500_000, 0x88)], "control frame"),
    "a flood of nothing": (lambda: repeat(frame(b"{}") * 50_000, 20), "thousands of frames"),
    "an answer that is none": (
        lambda: [frame(b'{"result":null,"id":[{}]}'), frame(b'{"error":' + b"[" * 900 + b"]" * 900 + b',"id":{}}')],
        "refused a request: it does not say why",
    ),
    "an answer with news of its own": (
        lambda: [frame(b'{"error":{"code":4,"msg":"no\\n2026-01-01 CRITICAL forged' + b"x" * 9000 + b'"},"id":1}')],
        r"refused a request: 'no\n2026",
    ),
}


def peak(collectors: RunningCollectors) -> int:
    """The most memory (bytes) that any of its processes had so far."""
    pids = [each.pid for each in psutil.Process(collectors.process.pid).children(recursive=True)]
    found = [re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text()) for pid in pids]
    return max(1024 * int(match[1]) for match in found if match)


def test_only_the_connection_that_is_abused_suffers(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    clickhouse: ClickHouse,
    between: Callable[[RunningExchange], Between],
) -> None:
    exchange = start_exchange(symbols=4, rate=200, paused=True)
    middle = between(exchange)
    collectors = start_collectors(exchange, workers=1, BINANCE_STREAM_URL=middle.url, STREAM_SYMBOLS_PER_CONNECTION="2")
    collectors.wait_until_subscribed()
    exchange.post("/simulator/start")
    wait_until(lambda: collectors.total("received") > 400, 30, "trades")
    (before,) = [each.pid for each in collectors.statuses()]
    memory = peak(collectors)
    abused = link_of(middle, "BTCUSDT")
    spared = set(exchange.sent) - abused.symbols
    assert len(spared) == 2

    assert abused.say(map(frame, USELESS))
    assert abused.say(repeat(frame(b"?" * 100, 0x89), 20_000))
    wait_until(lambda: collectors.total("dead_letters") >= len(USELESS), 20, "dead letters")
    assert collectors.total("reconnects") == 0

    for number, (what, (said, reason)) in enumerate(ENDING.items(), 1):
        link = link_of(middle, "BTCUSDT")
        link.say(said())
        wait_until(lambda: collectors.log.read_text().count("; a new one in") >= number, 20, f"an end after {what}")  # noqa: B023
        assert reason in collectors.log.read_text(), what
        # The worker has hung up; the middle may not have noticed yet.
        link.end()

    exchange.post("/simulator/stop")
    wait_until(lambda: missing_ids(clickhouse, exchange.sent) == sent_gap_ids(exchange), 20, "gaps of what was lost")
    assert not spared & missing_ids(clickhouse, exchange.sent).keys()
    assert duplicated_ids(clickhouse, list(exchange.sent)) == {}
    assert [each.pid for each in collectors.statuses()] == [before]
    assert peak(collectors) < memory + 150 * MB
    log = collectors.log.read_text()
    assert "Traceback" not in log
    assert re.search(r"frames of the exchange could not be used \(.*not JSON.*\): see .*dead_letters", log)
    assert max(map(len, log.splitlines())) < 1000
    assert not [line for line in log.splitlines() if line.startswith("2026-01-01 CRITICAL")]


def link_of(middle: Between, symbol: str) -> Link:
    found = wait_until(lambda: middle.link_of(symbol), 30, f"a connection of {symbol}")
    assert found is not None
    return found


@pytest.mark.parametrize("said", [b"HTTP/1.1 101 Switching Protocols\r\nX-Endless: ", b"x" * 1000])
def test_a_handshake_without_end_is_given_up(stub: Server, monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(stream, "HANDSHAKE_SECONDS", 0.5)

    def drips() -> Iterator[bytes]:
        yield said
        # So long that whoever waits for the end is late, and no longer.
        end = time.monotonic() + 8
        while not stub.stopped.wait(0.05) and time.monotonic() < end:
            yield b"x"

    stub.answers["/market/stream"] = drips
    began = time.monotonic()
    with pytest.raises(stream.StreamClosed, match="could not connect"):
        stream.StreamConnection(stub.url.replace("http", "ws"))
    assert time.monotonic() - began < 5
