"""Candles as the web serves them, against sums of the exchange's trades."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from urllib.parse import urljoin

import requests

from tests.campaign.exchangelog import Trade

#: Minutes; 7 and 173 are no divisors of an hour or a day.
TIMEFRAMES = (1, 2, 7, 60, 173)
PRICES = ("open", "high", "low", "close", "volume", "taker_buy_volume", "taker_sell_volume")
MOST = 1000

#: open, high, low, close, volume, taker buy and sell volume (10^-8), quote volume (10^-16), trades, aggregated trades.
Sums = tuple[int, ...]


def sums(trades: Iterable[Trade], minutes: int) -> dict[int, Sums]:
    """Open time (ms) -> the candle of these trades, which come in order of their ids."""
    span = minutes * 60_000
    found: dict[int, list[int]] = {}
    for _, price, quantity, first, last, time, maker in trades:
        opens = time // span * span
        candle = found.get(opens)
        if candle is None:
            candle = found[opens] = [price, price, price, price, 0, 0, 0, 0, 0, 0]
        candle[1] = max(candle[1], price)
        candle[2] = min(candle[2], price)
        candle[3] = price
        candle[4] += quantity
        candle[6 if maker else 5] += quantity
        candle[7] += price * quantity
        candle[8] += last - first + 1
        candle[9] += 1
    return {opens: tuple(candle) for opens, candle in found.items()}


def as_sums(served: dict[str, object]) -> Sums:
    """A candle of REST likewise."""
    exact = [_count(served[name], 8) for name in PRICES]
    return (
        *exact,
        _count(served["quote_volume"], 16),
        _whole(served, "trades_count"),
        _whole(served, "aggregate_count"),
    )


class Charts:
    """Reads candles of the web. Methods raise requests.RequestException."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def newest(self, symbol: str, minutes: int, limit: int) -> requests.Response:
        """The last candles, as they come."""
        return self._session.get(
            f"{self._url}/api/v1/data/klines/{symbol}?timeframe={minutes}&limit={limit}", timeout=10
        )

    def all(self, symbol: str, minutes: int, since_ms: int) -> Iterator[dict[str, object]]:
        """Every candle that opens at `since_ms` or later."""
        path = f"/api/v1/data/klines/{symbol}?timeframe={minutes}&limit={MOST}&start_time={since_ms}"
        while path:
            answer = self._session.get(f"{self._url}{path}", timeout=60)
            answer.raise_for_status()
            yield from parsed(answer)
            link = answer.links.get("next", {}).get("url", "")
            path = urljoin(path, link) if link else ""


def parsed(answer: requests.Response) -> list[dict[str, object]]:
    """The candles of an answer, every number with all its digits."""
    found: list[dict[str, object]] = json.loads(answer.text, parse_float=Decimal)["data"]
    return found


def mismatches(symbol: str, minutes: int, served: Iterable[dict[str, object]], truth: dict[int, Sums]) -> list[str]:
    """A line for each candle that is not the sum of its trades, is not served, or was never traded."""
    found, left = [], dict(truth)
    for candle in served:
        opens = _whole(candle, "candle_time")
        if left.pop(opens, None) != as_sums(candle):
            found.append(f"{symbol} {minutes}m {opens} is served as {as_sums(candle)}, it is {truth.get(opens)}")
    return found + [f"{symbol} {minutes}m {opens} is not served" for opens in sorted(left)]


def _count(value: object, digits: int) -> int:
    assert isinstance(value, int | Decimal)
    exact = Decimal(value).scaleb(digits)
    if exact != int(exact):
        raise ValueError(f"{value} has more than {digits} decimals")
    return int(exact)


def _whole(candle: dict[str, object], name: str) -> int:
    value = candle[name]
    assert isinstance(value, int)
    return value
