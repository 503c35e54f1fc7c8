"""How often something may be attempted: a few times at once, then at a steady rate. No clock of its own."""

from __future__ import annotations


class Pace:
    """A bucket of `burst` attempts that refills by one every `interval` seconds."""

    def __init__(self, interval: float, burst: int, now: float) -> None:
        self._interval = interval
        self._burst = burst
        self._left = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """Whether one more attempt is allowed now; it then counts."""
        refilled = (now - self._at) / self._interval if self._interval > 0 else self._burst
        self._left = min(float(self._burst), self._left + refilled)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
