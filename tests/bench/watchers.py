"""Many clients of /ws/stream in one process of their own: `python -m tests.bench.watchers URL CLIENTS SYMBOL OUT`.

Says "watching" when all are subscribed, reads until its standard input ends, and writes to OUT (numpy) a row for each
frame: the id of its newest trade, and when it came (Unix time, ms). Frames are not taken apart one by one: that would
cost more than what is measured.
"""

from __future__ import annotations

import json
import re
import selectors
import sys
import time

import numpy as np
import websocket

UPDATE = re.compile(rb'"type":"ohlcv_update".{1,900}?"last_id":(\d+),')
READ_BYTES = 65_536


def main(url: str, clients: int, symbol: str, out: str) -> None:
    selector = selectors.DefaultSelector()
    wanted = [{"symbol": symbol, "timeframes": [{"timeframe": 1, "initial_candles": 0}]}]
    for _ in range(clients):
        client = websocket.create_connection(url, timeout=20, suppress_origin=True)
        client.send(json.dumps({"action": "subscribe", "subscriptions": wanted}))
        while json.loads(client.recv())["type"] != "subscription_result":
            pass
        assert client.sock is not None
        client.sock.settimeout(0.0)
        selector.register(client.sock, selectors.EVENT_READ, [b"", client])
    selector.register(sys.stdin, selectors.EVENT_READ, None)
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    seen: list[tuple[int, float]] = []
    while _read(selector, seen):
        pass
    np.save(out, np.array(seen, dtype=np.float64).reshape(-1, 2))


def _read(selector: selectors.BaseSelector, seen: list[tuple[int, float]]) -> bool:
    """Take what has arrived; False at the end."""
    for key, _ in selector.select(1.0):
        if key.data is None:
            return False
        data = key.fileobj.recv(READ_BYTES)  # type: ignore[union-attr]
        if not data:
            raise SystemExit("the web hung up on a client")
        now = time.time() * 1000
        text, end = key.data[0] + data, 0
        for match in UPDATE.finditer(text):
            seen.append((int(match[1]), now))
            end = match.end()
        key.data[0] = text[end:][-2000:]
    return True


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
