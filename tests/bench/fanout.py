"""Fan-out: one daphne hands every change of a candle to hundreds of clients. Load rises until they wait too long."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from collectors.live import LiveMinutes, MinuteBar
from collectors.publisher import Publisher
from collectors.trade import Trade
from dataprovider.decimals import ONE
from dataprovider.heartbeat import WorkerStatus
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground

CLIENTS = 300
SYMBOL = "FANUSDT"
#: Changes a second: times CLIENTS, so many frames a second.
STEPS = (40, 60, 80, 100)
LONGEST_MS = 50.0


def measure(ground: Ground) -> list[Figure]:
    """The highest load at which 99 of 100 frames came within 50 ms, and how long they took; every frame must come."""
    ground.empty()
    rounds, seconds = ground.choose((1, 2.0), (3, 5.0))
    kept: tuple[list[float], list[float]] | None = None
    tried = []
    _make_known(ground)
    with _watching(ground, ground.web()) as watchers:
        for changes in STEPS[: ground.choose(1, None)]:
            runs = [_run(ground, watchers, changes, seconds) for _ in range(rounds)]
            rates, waits = [rate for rate, _ in runs], [wait for _, wait in runs]
            tried.append(f"{Sample(rates).median:,.0f}/s: {Sample(waits).median:.0f} ms")
            ground.say(f"fan-out {tried[-1]} (p99)")
            late = Sample(waits).median > LONGEST_MS
            if kept is None or not late:
                kept = rates, waits
            if late:
                break
    assert kept is not None
    note = f"{CLIENTS} clients of one symbol, readers on the same cores; p99 at {', '.join(tried)}"
    return [
        Figure(
            "fanout_frames_per_s",
            "fan-out from one daphne",
            "frames/s",
            Sample(kept[0]),
            at_least=12_000 * 0.99,
            note=note,
        ),
        Figure("fanout_p99_ms", "the same, p99 to a client", "ms", Sample(kept[1]), at_most=LONGEST_MS, note=note),
    ]


class Watchers:
    """The clients' process, which is asked to begin and to end for each run."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = f"ws{url.removeprefix('http')}/ws/stream"
        self._out = folder / "watchers.npy"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """Connect and subscribe all."""
        command = [sys.executable, "-m", "tests.bench.watchers", self._url, str(CLIENTS), SYMBOL, str(self._out)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], 60)
        if not readable or self._process.stdout.readline() != b"watching\n":
            raise AssertionError("the watching clients could not subscribe")

    def end(self) -> NDArray[np.float64]:
        """Newest id and time (ms) of every frame since `begin`."""
        assert self._process is not None
        self._process.communicate(timeout=30)
        if self._process.returncode:
            raise AssertionError("the watching clients broke off")
        seen: NDArray[np.float64] = np.load(self._out)
        return seen

    def kill(self) -> None:
        """Whatever they do."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def _watching(ground: Ground, url: str) -> Iterator[Watchers]:
    watchers = Watchers(url, ground.home)
    try:
        yield watchers
    finally:
        watchers.kill()


def _make_known(ground: Ground) -> None:
    from collectors.models import Symbol
    from tests.integrity.rows import make_symbol

    if not Symbol.objects.filter(name=SYMBOL).exists():
        make_symbol(SYMBOL)


def _run(ground: Ground, watchers: Watchers, changes: int, seconds: float) -> tuple[float, float]:
    """Frames a second that came, and the 99th percentile of how long they took (ms)."""
    watchers.begin()
    publisher = Publisher(ground.redis, lambda: WorkerStatus("bench:0:0", 0, 0, []))
    publisher.start()
    left = _publish(publisher, changes, seconds)
    publisher.stop()
    time.sleep(0.5)
    seen = watchers.end()
    place = np.searchsorted(left[:, 0], seen[:, 0])
    waits = seen[:, 1] - left[np.minimum(place, len(left) - 1), 1]
    # Of changes that came together, a client needs the last one only: what counts is that it has it.
    if not len(seen) or seen[:, 0].max() != left[-1, 0]:
        raise AssertionError("the last change did not reach every client")
    return len(seen) / seconds, float(np.percentile(waits, 99))


def _publish(publisher: Publisher, changes: int, seconds: float) -> NDArray[np.float64]:
    """Trades of one symbol, evenly, as a worker folds and hands them over; id and time (ms) of each."""
    changed: list[MinuteBar] = []
    minutes = LiveMinutes(changed.append)
    began = time.time()
    first = int(began * 1000)
    left, maker = [], False
    for number in range(int(changes * seconds)):
        time.sleep(max(0.0, began + number / changes - time.time()))
        now = time.time() * 1000
        trade = Trade(SYMBOL, first + number, (100 + number % 7) * ONE, ONE, number, number, int(now), maker, int(now))
        minutes.add(trade)
        left.append((first + number, now))
        publisher.offer(changed, int(now))
        changed.clear()
    return np.array(left, dtype=np.float64)
