"""Events as the exchange writes them ("Kline/Candlestick Streams" and "Aggregate Trade Streams" of its documentation).

Where a kline of the exchange has the ids of its first and last single trade (f, L), here are those of its first and
last aggregated trade: others are not kept by the minute.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from api.binance.contracts import Digits
from api.binance.intervals import Interval
from api.streaming.chart import Shown


def kline_event(
    symbol: str, interval_name: str, interval: Interval, digits: Digits, shown: Shown, exchange_ms: int
) -> str:
    """A kline event; `exchange_ms` is its time."""
    candle = shown.candle
    kline = {
        "t": candle.open_time,
        "T": interval.following(candle.open_time) - 1,
        "s": symbol,
        "i": interval_name,
        "f": candle.first_id,
        "L": candle.last_id,
        "o": digits.price_text(candle.open),
        "c": digits.price_text(candle.close),
        "h": digits.price_text(candle.high),
        "l": digits.price_text(candle.low),
        "v": digits.quantity_text(candle.volume),
        "n": candle.trades,
        "x": shown.verdict.closed,
        "q": digits.quote_text(candle.quote_volume),
        "V": digits.quantity_text(candle.taker_buy_volume),
        "Q": digits.quote_text(candle.taker_buy_quote_volume),
        "B": "0",
    }
    return orjson.dumps({"e": "kline", "E": exchange_ms, "s": symbol, "k": kline}).decode()


def trade_event(symbol: str, digits: Digits, trade: Sequence[int]) -> str:
    """An aggTrade event of a trade as collectors.publisher.trade_message writes it."""
    aggregate_id, price, quantity, first, last, at, maker, event_time = trade
    event = {
        "e": "aggTrade",
        "E": event_time,
        "a": aggregate_id,
        "s": symbol,
        "p": digits.price_text(price),
        "q": digits.quantity_text(quantity),
        "f": first,
        "l": last,
        "T": at,
        "m": bool(maker),
    }
    return orjson.dumps(event).decode()
