"""The REST budget of an address: weight a UTC clock minute, 429 beyond it, 418 for who does not stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dataprovider.simulator.errors import banned, too_many_requests
from dataprovider.simulator.limits import Limits
from dataprovider.simulator.spending import MINUTE_MS, Spending


@dataclass(slots=True)
class _Address:
    minute: int = 0
    used: int = 0
    refused: int = 0
    bans: int = 0
    banned_until_ms: int = 0


class Weights:
    """Counts what addresses use. `clock` gives the wall's milliseconds: minutes are real ones, in a replay too."""

    def __init__(self, limits: Limits, clock: Callable[[], int]) -> None:
        self._limits = limits
        self._clock = clock
        self.spending = Spending()
        self._addresses: dict[str, _Address] = {}

    def use(self, address: str, weight: int) -> int:
        """Spend weight and return what is used in this minute. Raises ExchangeError (429, 418)."""
        now = self._clock()
        found = self._at(address, now)
        if now < found.banned_until_ms:
            raise banned(address, found.banned_until_ms, _seconds(found.banned_until_ms - now))
        found.used += weight
        self.spending.spend(weight, now)
        if found.used <= self._limits.weight_per_minute:
            return found.used
        found.refused += 1
        if found.refused > self._limits.refusals_before_ban:
            length_s = min(self._limits.first_ban_s * 4**found.bans, self._limits.longest_ban_s)
            found.bans += 1
            found.refused = 0
            found.banned_until_ms = now + length_s * 1000
            raise banned(address, found.banned_until_ms, length_s)
        rest_ms = MINUTE_MS - now % MINUTE_MS
        raise too_many_requests(address, self._limits.weight_per_minute, _seconds(rest_ms))

    def used(self, address: str) -> int:
        return self._at(address, self._clock()).used

    def _at(self, address: str, now_ms: int) -> _Address:
        found = self._addresses.setdefault(address, _Address())
        if found.minute != now_ms // MINUTE_MS:
            if found.used <= self._limits.weight_per_minute:
                found.refused = 0
            found.minute = now_ms // MINUTE_MS
            found.used = 0
        return found


def _seconds(ms: int) -> int:
    return max(1, -(-ms // 1000))
