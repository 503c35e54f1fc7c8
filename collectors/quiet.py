"""Which symbols have been silent for suspiciously long, while their connection is alive. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

#: No symbol is suspected before this (seconds), a rarely traded one not before QUIET_INTERVALS of its mean intervals.
QUIET_SECONDS = 90.0
QUIET_INTERVALS = 30
MOST_SECONDS = 3600.0


@dataclass(slots=True)
class _Suspicion:
    asked_at: float
    wait: float


class QuietWatch:
    """Says when to ask the exchange again for a symbol, ever more rarely while it stays silent."""

    def __init__(self) -> None:
        self._suspected: dict[str, _Suspicion] = {}

    @property
    def count(self) -> int:
        """How many symbols are suspected now."""
        return len(self._suspected)

    def due(self, symbol: str, *, seen_at: float, tracked_since: float, received: int, now: float) -> bool:
        """Whether to subscribe `symbol` again; times in seconds of one steady clock, `received` its trades so far."""
        interval = (seen_at - tracked_since) / received if received else 0.0
        limit = min(MOST_SECONDS, max(QUIET_SECONDS, interval * QUIET_INTERVALS))
        if now - seen_at <= limit:
            self._suspected.pop(symbol, None)
            return False
        suspicion = self._suspected.get(symbol)
        if suspicion is None:
            self._suspected[symbol] = _Suspicion(now, limit)
            return True
        if now - suspicion.asked_at <= suspicion.wait:
            return False
        suspicion.asked_at, suspicion.wait = now, min(MOST_SECONDS, suspicion.wait * 2)
        return True

    def keep(self, symbols: Collection[str]) -> None:
        """Forget every symbol that is not in `symbols`."""
        self._suspected = {symbol: each for symbol, each in self._suspected.items() if symbol in symbols}
