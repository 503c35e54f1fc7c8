"""Candles through one daphne on real sockets: how long one caller waits, and how many answers several get."""

from __future__ import annotations

import http.client
import threading
import time
from urllib.parse import urlencode

from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground, timed
from tests.bench.history import SYMBOL, TIMEFRAME, history, month

CLIENTS = 8
CANDLES = 500
PATH = f"/api/v1/data/klines/{SYMBOL}?"


def measure(ground: Ground) -> list[Figure]:
    """The month of 173m candles one after the other; then 500 candles by several callers at once."""
    made = history(ground)
    asked, seconds = month(), ground.choose(0.7, 4.0)
    one = {
        "timeframe": TIMEFRAME,
        "start_time": asked["since"] * 1000,
        "end_time": asked["until"] * 1000 - 1,
        "limit": 1000,
    }
    several = {
        timeframe: {"timeframe": timeframe, "start_time": asked["since"] * 1000, "limit": CANDLES}
        for timeframe in (1, 60)
    }
    port = int(ground.web().rpartition(":")[2])
    _ask(port, one, ground.choose(5, 20))
    waits = _ask(port, one, ground.choose(30, 300))
    rates = {
        timeframe: [_together(port, many, seconds) for _ in range(ground.choose(1, 5))]
        for timeframe, many in several.items()
    }
    naive = [1000 * timed(lambda: made.original.run("candles", symbol=SYMBOL, **month())) for _ in range(3)]
    for timeframe, each in rates.items():
        ground.say(f"REST: {Sample(each).median:.0f} answers/s of {CANDLES} candles of {timeframe} minutes")
    together = f"{CLIENTS} callers at once, one daphne; callers and ClickHouse on the same cores"
    return [
        Figure(
            "rest_candles_p50_ms",
            "the same through REST, p50",
            "ms",
            Sample(waits),
            Sample(naive),
            "its query alone, without its web",
            at_most=30,
            note=f"{made.rows:,} trades of the symbol, one caller, one daphne",
        ),
        Figure(
            "rest_candles_per_s",
            f"answers of {CANDLES} candles of a minute",
            "answers/s",
            Sample(rates[1]),
            at_least=100,
            note=together,
        ),
        Figure(
            "rest_hours_per_s",
            f"answers of {CANDLES} candles of an hour",
            "answers/s",
            Sample(rates[60]),
            Sample([1000 / each for each in naive]),
            "its query for the month alone, one at a time",
            note=f"{together}; each is made of 30,000 minutes",
        ),
    ]


def _ask(port: int, params: dict[str, int], times: int) -> list[float]:
    """How long each of `times` answers took (ms), over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    waits = []
    for _ in range(times):
        began = time.perf_counter()
        connection.request("GET", PATH + urlencode(params))
        answer = connection.getresponse()
        body = answer.read()
        waits.append(1000 * (time.perf_counter() - began))
        if answer.status != 200:
            raise AssertionError(f"the API answered {answer.status}: {body[:200]!r}")
    connection.close()
    return waits


def _together(port: int, params: dict[str, int], seconds: float) -> float:
    """Answers a second to CLIENTS callers that ask again as soon as they are answered."""
    ends = time.monotonic() + seconds
    counts: list[int] = []

    def call() -> None:
        count = 0
        while time.monotonic() < ends:
            count += len(_ask(port, params, 5))
        counts.append(count)

    threads = [threading.Thread(target=call) for _ in range(CLIENTS)]
    began = time.monotonic()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if len(counts) != CLIENTS:
        raise AssertionError("a caller was not answered")
    return sum(counts) / (time.monotonic() - began)
