"""The minute in progress of each symbol, folded from its trades in exact integers. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from collectors.trade import Trade

MINUTE_MS = 60_000
#: How many of a symbol's minutes are kept, so that a late trade still finds its own.
KEPT_MINUTES = 2


@dataclass(slots=True)
class MinuteBar:
    """One minute of one symbol so far: cumulative, so that a lost message costs nothing.

    Prices and quantities are counts of 10^-8, quote amounts counts of 10^-16. `open` is the trade with the smallest
    aggregate id, `close` the one with the largest: many trades share a millisecond.
    """

    symbol: str
    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    taker_buy_volume: int
    taker_buy_quote_volume: int
    aggregates: int
    trades: int
    first_id: int
    last_id: int
    #: Whether the minute was watched from its beginning (the trade before it was seen too).
    whole: bool
    closed: bool = False

    def add(self, trade: Trade) -> None:
        """Fold one more trade of this minute in, in any order of ids."""
        price, quantity = trade.price, trade.quantity
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        aggregate_id = trade.aggregate_id
        if aggregate_id >= self.last_id:
            self.last_id, self.close = aggregate_id, price
        elif aggregate_id < self.first_id:
            self.first_id, self.open = aggregate_id, price
        quote = price * quantity
        self.volume += quantity
        self.quote_volume += quote
        if not trade.is_buyer_maker:
            self.taker_buy_volume += quantity
            self.taker_buy_quote_volume += quote
        self.aggregates += 1
        self.trades += trade.last_trade_id - trade.first_trade_id + 1


def begin(trade: Trade, *, whole: bool) -> MinuteBar:
    """The bar of a minute whose first known trade is this one."""
    price, quantity = trade.price, trade.quantity
    quote = price * quantity
    bought = not trade.is_buyer_maker
    return MinuteBar(
        symbol=trade.symbol,
        minute=trade.timestamp // MINUTE_MS * MINUTE_MS,
        open=price,
        high=price,
        low=price,
        close=price,
        volume=quantity,
        quote_volume=quote,
        taker_buy_volume=quantity if bought else 0,
        taker_buy_quote_volume=quote if bought else 0,
        aggregates=1,
        trades=trade.last_trade_id - trade.first_trade_id + 1,
        first_id=trade.aggregate_id,
        last_id=trade.aggregate_id,
        whole=whole,
    )


class LiveMinutes:
    """The newest minutes of one symbol."""

    __slots__ = ("_changed", "_latest", "bar", "earlier")

    def __init__(self, changed: Callable[[MinuteBar], None], latest: Callable[[], float] = lambda: inf) -> None:
        """`changed` is told of every bar that a trade changed, or that closed. `latest` says which time (ms) no trade
        can be of yet: one that is dated later is in no minute here."""
        self._changed = changed
        self._latest = latest
        self.bar: MinuteBar | None = None
        self.earlier: list[MinuteBar] = []

    def add(self, trade: Trade) -> None:
        """Fold one trade in; a trade of a later minute closes the one before."""
        bar = self.bar
        if bar is not None:
            offset = trade.timestamp - bar.minute
            if 0 <= offset < MINUTE_MS:
                bar.add(trade)
                self._changed(bar)
                return
            if offset < 0:
                self._add_late(trade)
                return
        if trade.timestamp > self._latest():
            return
        if bar is not None:
            bar.closed = True
            self._changed(bar)
            self.earlier = [*self.earlier, bar][-KEPT_MINUTES:]
        contiguous = bar is not None and bar.last_id + 1 == trade.aggregate_id
        self.bar = begin(trade, whole=contiguous)
        self._changed(self.bar)

    def close_if_past(self, now_ms: int) -> None:
        """Close the current minute when the exchange's time has passed its end; a late trade corrects it."""
        bar = self.bar
        if bar is not None and not bar.closed and now_ms >= bar.minute + MINUTE_MS:
            bar.closed = True
            self._changed(bar)

    def _add_late(self, trade: Trade) -> None:
        for bar in self.earlier:
            if 0 <= trade.timestamp - bar.minute < MINUTE_MS:
                bar.add(trade)
                self._changed(bar)
                return
