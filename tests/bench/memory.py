"""What a worker takes in memory at 20,000 trades a second, and whether that grows."""

from __future__ import annotations

import time

import psutil

from dataprovider.running.exchange import Exchange
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground
from tests.bench.live import collect

RATE = 20_000
#: What is taken in the first seconds is taken once: buffers, caches, threads.
SETTLED = 0.4


def measure(ground: Ground) -> list[Figure]:
    """Resident megabytes of the one worker, twice a second."""
    seen: list[tuple[float, float]] = []

    def look(_: Exchange) -> None:
        for worker in ground.workers():
            if not seen or time.monotonic() - seen[-1][0] > 0.5:
                seen.append((time.monotonic(), psutil.Process(worker.pid).memory_info().rss / 1e6))

    # A contract that traded once waits for a second trade, or for a minute: in a short run there are few quiet ones.
    seconds, symbols = ground.choose((2.0, 100), (45.0, 400))
    found = collect(ground, rate=RATE, seconds=seconds, workers=1, symbols=symbols, meanwhile=look)
    settled = [each for each in seen if each[0] - seen[0][0] >= SETTLED * seconds]
    grown = (settled[-1][1] - settled[0][1]) / (settled[-1][0] - settled[0][0]) * 60
    values = [megabytes for _, megabytes in settled]
    ground.say(f"memory: {max(values):.0f} MB, growing {grown:+.1f} MB a minute, {found.missing} missing")
    return [
        Figure(
            "worker_rss_mb",
            f"memory of a worker at {RATE:,} trades/s",
            "MB",
            Sample(values),
            at_most=150,
            note=f"{found.sent:,} trades of {symbols} symbols, {found.missing} missing, {_said(grown, seconds)}",
        )
    ]


def _said(grown: float, seconds: float) -> str:
    """How it grew; in a few seconds that is chance."""
    return f"{grown:+.1f} MB a minute" if seconds >= 30 else "too short to say whether it grows"
