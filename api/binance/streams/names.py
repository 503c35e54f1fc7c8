"""Names of streams: btcusdt@kline_173m, btcusdt@aggTrade."""

from __future__ import annotations

from dataclasses import dataclass

from api.binance.intervals import Interval, interval_of
from api.parameters import normal_symbol

LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Stream:
    """What a name asks for; without an interval it is the aggregated trades."""

    name: str
    symbol: str
    interval_name: str = ""
    interval: Interval | None = None


def stream_of(name: str) -> Stream | None:
    """None for what is not here; as at the exchange, a symbol in upper case is not."""
    symbol, _, kind = name.partition("@")
    if not symbol or len(name) > LONGEST_NAME or "\0" in name or normal_symbol(symbol).lower() != symbol:
        return None
    if kind == "aggTrade":
        return Stream(name, normal_symbol(symbol))
    if not kind.startswith("kline_"):
        return None
    interval_name = kind.removeprefix("kline_")
    interval = interval_of(interval_name)
    return None if interval is None else Stream(name, normal_symbol(symbol), interval_name, interval)
