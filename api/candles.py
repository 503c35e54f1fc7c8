"""Candles as they are served: ranges, and what is known of each candle. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from dataprovider.decimals import product_to_text, to_text

#: Past every time that is stored (seconds), and within ClickHouse's DateTime.
END_OF_TIME = 4_102_444_800


@dataclass(frozen=True, slots=True)
class Candle:
    """One candle out of stored trades. Times in ms, prices and volumes in counts of 10^-8, quote volumes of 10^-16."""

    open_time: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    taker_buy_volume: int
    quote_volume: int
    taker_buy_quote_volume: int
    aggregates: int
    trades: int
    first_id: int
    last_id: int
    sum_of_ids: int

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> Self:
        """From a row of queries/candles_first.sql."""
        return cls(*row)

    @property
    def is_contiguous(self) -> bool:
        """Whether it holds every aggregate id from its first to its last once.

        Count and sum together: by the count alone a gap and a duplicate cancel out.
        """
        return (
            self.aggregates == self.last_id - self.first_id + 1
            and self.aggregates * (self.first_id + self.last_id) // 2 % 2**64 == self.sum_of_ids
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of a candle.

    closed: the exchange's time has passed its end, no trade will be added but by a repair.
    complete: no trade of it is missing. Without evidence it is not complete.
    """

    closed: bool
    complete: bool


def judged(
    candles: Sequence[Candle],
    *,
    timeframe: int,
    id_before: int | None,
    id_after: int | None,
    exchange_time: int,
) -> list[Verdict]:
    """A verdict for each of `candles` (ascending, none left out between them).

    `id_before` and `id_after` are the stored aggregate ids next to the first and behind the last candle, None where
    nothing is stored. `exchange_time` (ms) is the newest time known of the exchange. A candle is complete when it is
    closed, holds its ids without a hole, and its neighbours' ids touch its own on both sides: a hole between two
    candles may belong to either.
    """
    before = [id_before, *(candle.last_id for candle in candles[:-1])]
    after = [*(candle.first_id for candle in candles[1:]), id_after]
    verdicts = []
    for candle, previous_id, next_id in zip(candles, before, after, strict=True):
        closed = candle.open_time + timeframe * 60_000 <= exchange_time
        touches = previous_id == candle.first_id - 1 and next_id == candle.last_id + 1
        verdicts.append(Verdict(closed=closed, complete=closed and touches and candle.is_contiguous))
    return verdicts


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds [since, until), both on a border of the timeframe's buckets: only whole candles are inside."""

    since: int
    until: int

    @classmethod
    def of_open_times(cls, timeframe: int, start: int | None, end: int | None) -> Self:
        """The candles that open in [start, end] (ms, both included, as Binance's klines do)."""
        span = timeframe * 60
        since = -(-(start or 0) // (span * 1000)) * span
        until = END_OF_TIME // span * span + span if end is None else end // (span * 1000) * span + span
        return cls(since, max(since, until))

    def within(self, first_second: int, last_second: int, timeframe: int) -> Window:
        """The part of it that can hold trades of [first_second, last_second]."""
        span = timeframe * 60
        since = max(self.since, first_second // span * span)
        return Window(since, max(since, min(self.until, last_second // span * span + span)))

    def pieces(self, timeframe: int, limit: int, *, newest_first: bool) -> list[Window]:
        """The window cut into pieces to look through in turn until `limit` candles are found.

        The first would do if no bucket were empty, and is a day at least; each next is four times as long.
        """
        size = max(limit * timeframe * 60, -(-1440 // timeframe) * timeframe * 60)
        found = []
        since, until = self.since, self.until
        while since < until:
            if newest_first:
                piece = Window(max(since, until - size), until)
                until = piece.since
            else:
                piece = Window(since, min(until, since + size))
                since = piece.until
            found.append(piece)
            size *= 4
        return found


def candle_json(candle: Candle, verdict: Verdict) -> str:
    """The candle as JSON, every number with its exact digits."""
    return (
        f'{{"candle_time":{candle.open_time},"open":{to_text(candle.open)},"high":{to_text(candle.high)},'
        f'"low":{to_text(candle.low)},"close":{to_text(candle.close)},"volume":{to_text(candle.volume)},'
        f'"quote_volume":{product_to_text(candle.quote_volume)},'
        f'"taker_buy_volume":{to_text(candle.taker_buy_volume)},'
        f'"taker_sell_volume":{to_text(candle.volume - candle.taker_buy_volume)},'
        f'"trades_count":{candle.trades},"aggregate_count":{candle.aggregates},'
        f'"complete":{"true" if verdict.complete else "false"},"closed":{"true" if verdict.closed else "false"}}}'
    )
