"""Run every benchmark and print a line each: what, figure, and how many times faster than the plain way."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from decimal import Decimal

from collectors.binance.frames import decode
from collectors.binance.stream import FrameReader
from collectors.ingest import Ingest
from dataprovider.clickhouse.shards import shard_of

SYMBOLS = [f"S{number}USDT" for number in range(200)]
FRAMES = 100_000
CHUNK = 500


def frames() -> list[bytes]:
    """Frames as the exchange sends them, 200 symbols in turn."""
    made = []
    for number in range(FRAMES):
        symbol, sequence = SYMBOLS[number % 200], number // 200
        data = {
            "e": "aggTrade",
            "E": 1791382992488 + number,
            "a": 3477868433 + sequence,
            "s": symbol,
            "p": f"{83091 + number % 7}.70",
            "q": "0.022",
            "nq": "0.022",
            "f": 8153634393 + 2 * sequence,
            "l": 8153634394 + 2 * sequence,
            "T": 1791382992338 + number,
            "m": False,
            "st": 1,
        }
        made.append(json.dumps({"stream": f"{symbol.lower()}@aggTrade", "data": data}, separators=(",", ":")).encode())
    return made


def per_second(work: Callable[[], object]) -> float:
    """Frames a second of processor time, the best of three."""
    best = 0.0
    for _ in range(3):
        began = time.process_time()
        work()
        best = max(best, FRAMES / (time.process_time() - began))
    return best


def plain(payloads: list[bytes]) -> list[tuple[object, ...]]:
    """The plain way: one json.loads and two Decimals a frame."""
    rows: list[tuple[object, ...]] = []
    for payload in payloads:
        data = json.loads(payload)["data"]
        rows.append((data["s"], data["a"], Decimal(data["p"]), Decimal(data["q"]), data["f"], data["l"], data["T"]))
    return rows


def ingested(payloads: list[bytes]) -> None:
    """Decode, judge, fold into minutes and batch, as a worker does."""
    ingest = Ingest()
    for shard in range(16):
        ingest.open_shard(shard, 1)
    for symbol in SYMBOLS:
        ingest.track(symbol, shard_of(symbol), None, 0.0)
    for start in range(0, len(payloads), CHUNK):
        ingest.add(decode(payloads[start : start + CHUNK], ingest.symbols).trades, 0.0)
        ingest.seal_due(0.0)
    assert ingest.received == FRAMES


def read(stream: bytes) -> None:
    """Frames out of bytes as they are received."""
    reader = FrameReader()
    for start in range(0, len(stream), 1 << 18):
        reader.feed(stream[start : start + (1 << 18)], [])


def main() -> None:
    payloads = frames()
    stream = b"".join(bytes([0x81, 126]) + len(each).to_bytes(2, "big") + each for each in payloads)
    base = per_second(lambda: plain(payloads))
    rows = [
        ("json.loads and Decimal, a frame at a time", base),
        ("websocket frames out of bytes", per_second(lambda: read(stream))),
        (
            "decoded to exact trades",
            per_second(lambda: [decode(payloads[n : n + CHUNK], set(SYMBOLS)) for n in range(0, FRAMES, CHUNK)]),
        ),
        ("decoded, judged, folded and batched", per_second(lambda: ingested(payloads))),
    ]
    for name, speed in rows:
        sys.stdout.write(f"{name:<45}{speed:>12,.0f} /s of one core   {speed / base:5.2f}×\n")


if __name__ == "__main__":
    main()
