"""Candles out of trades, the plain way, to hold against those that the core folds and judges."""

from __future__ import annotations

from collections.abc import Iterable

from api.candles import Candle
from collectors.live import MINUTE_MS, MinuteBar
from collectors.trade import Trade


def candle_of(open_time: int, trades: Iterable[Trade]) -> Candle:
    """One candle out of at least one trade."""
    each = sorted(trades, key=lambda trade: trade.aggregate_id)
    bought = [trade for trade in each if not trade.is_buyer_maker]
    return Candle(
        open_time=open_time,
        open=each[0].price,
        high=max(trade.price for trade in each),
        low=min(trade.price for trade in each),
        close=each[-1].price,
        volume=sum(trade.quantity for trade in each),
        taker_buy_volume=sum(trade.quantity for trade in bought),
        quote_volume=sum(trade.price * trade.quantity for trade in each),
        taker_buy_quote_volume=sum(trade.price * trade.quantity for trade in bought),
        aggregates=len(each),
        trades=sum(trade.last_trade_id - trade.first_trade_id + 1 for trade in each),
        first_id=each[0].aggregate_id,
        last_id=each[-1].aggregate_id,
        sum_of_ids=sum(trade.aggregate_id for trade in each) % 2**64,
    )


def minutes_of(trades: Iterable[Trade]) -> list[Candle]:
    """Candles of one minute, ascending."""
    minutes: dict[int, list[Trade]] = {}
    for trade in trades:
        minutes.setdefault(trade.timestamp // MINUTE_MS * MINUTE_MS, []).append(trade)
    return [candle_of(minute, minutes[minute]) for minute in sorted(minutes)]


def is_of(bar: MinuteBar, candle: Candle) -> bool:
    """Whether a worker's minute says what the candle of the same ids says."""
    return (
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.quote_volume,
        bar.taker_buy_volume,
        bar.taker_buy_quote_volume,
        bar.trades,
    ) == (
        candle.open,
        candle.high,
        candle.low,
        candle.close,
        candle.volume,
        candle.quote_volume,
        candle.taker_buy_volume,
        candle.taker_buy_quote_volume,
        candle.trades,
    )
