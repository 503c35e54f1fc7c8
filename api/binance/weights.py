"""The weight that each address used in this minute, counted as Binance counts. Nobody is refused for it here."""

from __future__ import annotations

from collections import Counter


class UsedWeight:
    """Weight by address in one process, from the beginning of each UTC minute on."""

    def __init__(self) -> None:
        self._minute = 0
        self._used: Counter[str] = Counter()

    def add(self, address: str, weight: int, now: float) -> int:
        """Count it at this time (s) and return what the address used in the minute."""
        minute = int(now // 60)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        self._used[address] += weight
        return self._used[address]
