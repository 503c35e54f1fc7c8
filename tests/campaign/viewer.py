"""Somebody who looks at charts all the time: what was once called complete must be so in the end."""

from __future__ import annotations

import random
import threading

import requests

from tests.campaign.candles import Charts, Sums, as_sums, parsed

PAUSE_SECONDS = 0.25
TIMEFRAMES = (1, 2)


class Viewer:
    """A thread that asks for the newest candles of one contract after the other."""

    def __init__(self, url: str, symbols: list[str], seed: int) -> None:
        self._charts = Charts(url)
        self._symbols = symbols
        self._chance = random.Random(f"{seed} viewer")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, name="viewer", daemon=True)
        #: Contract, minutes and open time -> each candle that was called complete.
        self.complete: dict[tuple[str, int, int], set[Sums]] = {}
        self.answers = 0
        self.server_errors: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(15)

    def _look(self) -> None:
        while not self._stop.wait(PAUSE_SECONDS):
            symbol, minutes = self._chance.choice(self._symbols), self._chance.choice(TIMEFRAMES)
            try:
                answer = self._charts.newest(symbol, minutes, 5)
            except requests.RequestException:
                continue
            self.answers += 1
            if answer.status_code == 200:
                for candle in parsed(answer):
                    if candle["complete"]:
                        opens = candle["candle_time"]
                        assert isinstance(opens, int)
                        self.complete.setdefault((symbol, minutes, opens), set()).add(as_sums(candle))
            elif answer.status_code == 500:
                self.server_errors.append(f"{answer.url}: 500 {answer.text[:200]}")
