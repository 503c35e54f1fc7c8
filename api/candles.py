"""Candles as they are served: ranges, and what is known of each candle. Nothing here does I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from dataprovider.decimals import product_to_text, to_text
from integrity.checks.ids import Range, Run, common, size, united, without

#: Past every time that is stored (seconds), and within ClickHouse's DateTime.
END_OF_TIME = 4_102_444_800


class Candle(NamedTuple):
    """One candle out of stored trades. Times in ms, prices and volumes in counts of 10^-8, quote volumes of 10^-16.

    A tuple in the order of the columns of queries/candles_first.sql: for each answer hundreds are made, in an eighth of
    the time that dataclasses take.
    """

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
        return cls._make(row)

    @property
    def lacking(self) -> int:
        """How many ids between its first and its last it does not hold, as far as none is there twice."""
        return self.last_id - self.first_id + 1 - self.aggregates

    @property
    def is_contiguous(self) -> bool:
        """Whether it holds every aggregate id from its first to its last once.

        Count and sum together: by the count alone a gap and a duplicate cancel out.
        """
        return (
            self.aggregates == self.last_id - self.first_id + 1
            and self.aggregates * (self.first_id + self.last_id) // 2 % 2**64 == self.sum_of_ids
        )


class Verdict(NamedTuple):
    """What is known of a candle.

    closed: the exchange's time has passed its end, no trade will be added but by a repair.
    complete: no trade of it is missing. Without evidence it is not complete.
    """

    closed: bool
    complete: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a symbol's ids beyond the trades themselves.

    absent: ids that the exchange itself does not have, ascending and apart. runs: ids that were all found stored when
    their days were read row by row. first_of_all: the id that nothing comes before, None when that is not known.
    """

    absent: Sequence[Range] = ()
    runs: Sequence[Run] = ()
    first_of_all: int | None = None

    def explains_gap(self, last_before: int, first_after: int) -> bool:
        """Whether every id between these two is known to be absent upstream."""
        return last_before < first_after and not without([(last_before + 1, first_after - 1)], self.absent)

    def explains(self, candle: Candle) -> bool:
        """Whether every id from its first to its last is stored or absent upstream, and no trade is there twice."""
        inside = common([(candle.first_id, candle.last_id)], self.absent)
        expected = candle.last_id - candle.first_id + 1 - size(inside)
        ids = _sum(candle.first_id, candle.last_id) - sum(_sum(first, last) for first, last in inside)
        if candle.aggregates == expected and candle.sum_of_ids == ids % 2**64:
            return True
        # Twins make more rows than ids, and an id that changed sides with a neighbour's makes a hole: the rows told.
        runs = [run for run in self.runs if run.first_id <= candle.last_id and run.last_id >= candle.first_id]
        read = united([*self.absent, *((run.first_id, run.last_id) for run in runs)])
        return (
            not without([(candle.first_id, candle.last_id)], read)
            and not any(run.duplicates for run in runs)
            and candle.aggregates - expected <= sum(run.twins for run in runs)
        )


NO_EVIDENCE = Evidence()


def judged(
    candles: Sequence[Candle],
    *,
    timeframe: int,
    id_before: int | None,
    id_after: int | None,
    exchange_time: int,
    evidence: Evidence = NO_EVIDENCE,
) -> list[Verdict]:
    """A verdict for each of `candles` (ascending, none left out between them).

    `id_before` and `id_after` are the stored aggregate ids next to the first and behind the last candle, None where
    nothing is stored. `exchange_time` (ms) is the newest time known of the exchange. A candle is complete when it is
    closed, holds its ids without a hole, and its neighbours' ids touch its own on both sides: a hole between two
    candles may belong to either. What `evidence` explains is no hole.
    """
    if not candles:
        return []
    before = [id_before, *(candle.last_id for candle in candles[:-1])]
    after = [*(candle.first_id for candle in candles[1:]), id_after]
    verdicts = []
    for candle, previous_id, next_id in zip(candles, before, after, strict=True):
        closed = candle.open_time + timeframe * 60_000 <= exchange_time
        complete = (
            closed
            and next_id is not None
            and _touches(candle.last_id, next_id, evidence)
            and (
                candle.first_id == evidence.first_of_all
                if previous_id is None
                else _touches(previous_id, candle.first_id, evidence)
            )
            and (candle.is_contiguous or evidence.explains(candle))
        )
        verdicts.append(Verdict(closed, complete))
    return verdicts


def needs_evidence(verdicts: Sequence[Verdict], id_after: int | None) -> bool:
    """Whether evidence could make one of them complete: nothing makes a candle so that no trade follows."""
    followed = verdicts if id_after is not None else verdicts[:-1]
    return any(verdict.closed and not verdict.complete for verdict in followed)


def _touches(last_before: int, first_after: int, evidence: Evidence) -> bool:
    if last_before + 1 == first_after or evidence.explains_gap(last_before, first_after):
        return True
    # Their ids are mixed: only where both were read row by row is that known to be all there is.
    return last_before >= first_after and any(
        run.first_id <= first_after and run.last_id >= last_before and not run.duplicates for run in evidence.runs
    )


def _sum(first_id: int, last_id: int) -> int:
    return (last_id - first_id + 1) * (first_id + last_id) // 2


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

    @property
    def milliseconds(self) -> range:
        """The same in ms."""
        return range(self.since * 1000, self.until * 1000)

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
