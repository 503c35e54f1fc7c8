"""The made-up market as formulas of time: how many trades each contract has had, and what it costs.

Nothing here remembers anything, so history, archives and a restart need no record of what was sent.
Only `math` is used for the sums: numpy's sine may differ in the last bit between a scalar and an array, and one bit
decides whether a trade belongs to this block or the next.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Sequence

from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import UNIT

#: Where counts begin: 2024-01-01T00:00:00Z, in milliseconds.
MARKET_EPOCH_MS = 1704067200000

#: period in seconds -> how deep activity swings with it; the sum stays below 1 so that counts never fall.
SWINGS: tuple[tuple[float, float], ...] = ((86400.0, 0.2), (4900.0, 0.1), (431.0, 0.15), (61.0, 0.2))

#: Activity falls with the rank of a contract to this power; the last ones are nearly silent.
POWER = 1.1
QUIET_SHARE = 0.05
QUIET_SECONDS = (120.0, 900.0)

LONGEST_PRICE_WAVE_S = 30 * 86400.0
PRICE_WAVES = 18
PRICE_SWING = 0.05

KNOWN_PRICES = {
    "BTCUSDT": 84000.0,
    "ETHUSDT": 2900.0,
    "SOLUSDT": 140.0,
    "BNBUSDT": 620.0,
    "XRPUSDT": 2.2,
    "DOGEUSDT": 0.17,
}


def key_of(seed: int, symbol: str) -> int:
    """64 bits that name a contract's market under a seed."""
    return int.from_bytes(hashlib.blake2b(f"{seed}/{symbol}".encode(), digest_size=8).digest(), "big")


class CountCurve:
    """How many trades a contract has had at a time: C(t) = floor(rate * (t + sum a sin(w t + p)) + phase)."""

    def __init__(self, rate: float, key: int) -> None:
        draw = random.Random(key)
        self.rate = rate
        self._phase = draw.random()
        self._terms = [
            (depth * period / math.tau, math.tau / period, draw.random() * math.tau) for period, depth in SWINGS
        ]
        #: How far, in seconds, the swings move a count from the straight line.
        self.slack_s = sum(term[0] for term in self._terms)

    def at(self, ms: int) -> int:
        """Trades whose block begins before `ms`; never falls. Negative before MARKET_EPOCH_MS."""
        seconds = (ms - MARKET_EPOCH_MS) / 1000.0
        bent = seconds
        for reach, speed, phase in self._terms:
            bent += reach * math.sin(speed * seconds + phase)
        return math.floor(self.rate * bent + self._phase)


class PriceCurve:
    """The price of a contract at a time, as waves whose height falls with the root of their length."""

    def __init__(self, base: float, key: int) -> None:
        draw = random.Random(key ^ 0x5DEECE66D)
        self._base = math.log(base)
        self._terms = [
            (
                PRICE_SWING * 0.5 ** (octave / 2),
                math.tau * 2**octave / LONGEST_PRICE_WAVE_S * (0.9 + 0.2 * draw.random()),
                draw.random() * math.tau,
            )
            for octave in range(PRICE_WAVES)
        ]

    def at(self, ms: int) -> float:
        seconds = (ms - MARKET_EPOCH_MS) / 1000.0
        log_price = self._base
        for height, speed, phase in self._terms:
            log_price += height * math.sin(speed * seconds + phase)
        return math.exp(log_price)


def base_price(contract: Contract, key: int) -> float:
    """Where a contract's price swings around: a plausible number of ticks."""
    known = KNOWN_PRICES.get(contract.symbol.partition("_")[0])
    if known is not None:
        return known
    tick = contract.tick / UNIT
    return float(tick * 10 ** random.Random(key ^ 0xBA5E).uniform(3.2, 4.5))


def rates(contracts: Sequence[Contract], total_per_s: float, seed: int) -> list[float]:
    """Trades a second of each contract: a power law over those that trade, the last of many nearly silent."""
    trading = [index for index, contract in enumerate(contracts) if contract.trading]
    weights = {index: (rank + 1.0) ** -POWER for rank, index in enumerate(trading)}
    whole = sum(weights.values())
    found = [total_per_s * weights.get(index, 0.0) / whole if whole else 0.0 for index in range(len(contracts))]
    quiet = trading[len(trading) - int(len(trading) * QUIET_SHARE) :] if len(trading) >= 20 else []
    for index in quiet:
        seconds = random.Random(key_of(seed, contracts[index].symbol) ^ 0x0).uniform(*QUIET_SECONDS)
        found[index] = min(found[index], 1.0 / seconds)
    return found
