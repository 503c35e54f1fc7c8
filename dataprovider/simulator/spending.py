"""What the clients of the REST face spent, over all addresses: for tests that judge a client by it."""

from __future__ import annotations

from dataclasses import dataclass, field

MINUTE_MS = 60_000
KEPT_MINUTES = 30


@dataclass(slots=True)
class Spending:
    """Requests, what they weighed, and how many were refused (429 and 418), since the start.

    A request beyond the budget weighs too, as in the exchange's own header; one during a ban weighs nothing.
    """

    requests: int = 0
    weight: int = 0
    refused: int = 0
    _by_minute: dict[int, int] = field(default_factory=dict)

    def spend(self, weight: int, wall_ms: int) -> None:
        self.weight += weight
        minute = wall_ms // MINUTE_MS
        self._by_minute[minute] = self._by_minute.get(minute, 0) + weight
        for old in [known for known in self._by_minute if known <= minute - KEPT_MINUTES]:
            del self._by_minute[old]

    def plain(self) -> dict[str, object]:
        """As /simulator/state shows it; minutes by the wall's milliseconds at their beginning, empty ones left out."""
        return {
            "requests": self.requests,
            "weight": self.weight,
            "by_minute": {str(minute * MINUTE_MS): weight for minute, weight in sorted(self._by_minute.items())},
            "refused": self.refused,
        }
