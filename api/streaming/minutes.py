"""The newest minutes of one symbol, from what workers publish and what is stored. No clock, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.candles import Candle

MINUTE_MS = 60_000
#: So many minutes are kept apart; a change of an older one is read from the store.
KEPT_MINUTES = 4


@dataclass(frozen=True, slots=True)
class LiveBar:
    """A minute as a worker published it (collectors.publisher.bar_message)."""

    minute: int
    candle: Candle
    whole: bool
    closed: bool


def bar_of(message: Mapping[str, Any]) -> LiveBar:
    """The bar of a message; its sum of ids is known only when no id is missing between its ends."""
    first, last, aggregates = message["f"], message["L"], message["a"]
    candle = Candle(
        open_time=message["t"],
        open=message["o"],
        high=message["h"],
        low=message["l"],
        close=message["c"],
        volume=int(message["v"]),
        taker_buy_volume=int(message["V"]),
        quote_volume=int(message["q"]),
        taker_buy_quote_volume=int(message["Q"]),
        aggregates=aggregates,
        trades=message["n"],
        first_id=first,
        last_id=last,
        sum_of_ids=aggregates * (first + last) // 2 % 2**64 if aggregates == last - first + 1 else 0,
    )
    return LiveBar(message["t"], candle, message["w"], message["x"])


def joined(open_time: int, parts: Sequence[Candle]) -> Candle:
    """One candle out of one or more parts that share no trade."""
    if len(parts) == 1:
        (part,) = parts
        return part if part.open_time == open_time else part._replace(open_time=open_time)
    # One pass, and no generators: this runs for every change of every candle that somebody watches.
    first = last = parts[0]
    high, low = first.high, first.low
    volume, taker_buy_volume = first.volume, first.taker_buy_volume
    quote_volume, taker_buy_quote_volume = first.quote_volume, first.taker_buy_quote_volume
    aggregates, trades, sum_of_ids = first.aggregates, first.trades, first.sum_of_ids
    for part in parts[1:]:
        if part.first_id < first.first_id:
            first = part
        if part.last_id > last.last_id:
            last = part
        if part.high > high:
            high = part.high
        if part.low < low:
            low = part.low
        volume += part.volume
        taker_buy_volume += part.taker_buy_volume
        quote_volume += part.quote_volume
        taker_buy_quote_volume += part.taker_buy_quote_volume
        aggregates += part.aggregates
        trades += part.trades
        sum_of_ids += part.sum_of_ids
    return Candle(
        open_time=open_time,
        open=first.open,
        high=high,
        low=low,
        close=last.close,
        volume=volume,
        taker_buy_volume=taker_buy_volume,
        quote_volume=quote_volume,
        taker_buy_quote_volume=taker_buy_quote_volume,
        aggregates=aggregates,
        trades=trades,
        first_id=first.first_id,
        last_id=last.last_id,
        sum_of_ids=sum_of_ids % 2**64,
    )


class SymbolMinutes:
    """The minutes from `floor` (ms) on; what was before is in the charts' bases."""

    def __init__(self, floor: int, id_before: int | None = None) -> None:
        self.floor = floor
        #: The last id before the floor.
        self.id_before = id_before
        self._live: dict[int, LiveBar] = {}
        self._stored: dict[int, Candle] = {}
        #: What is stored of a minute before the id at which its worker began.
        self._beginnings: dict[int, tuple[int, Candle | None]] = {}
        #: What was known of a minute before its worker's first trade, until that is read.
        self._guesses: dict[int, Candle | None] = {}
        #: What is stored of a minute out of gaps (their ids) that were repaired: its worker never gets those trades.
        self._repairs: dict[int, dict[tuple[int, int], Candle]] = {}
        self._shown: dict[int, Candle] = {}
        #: The newest minute (ms), 0: none yet.
        self._newest = 0
        #: Changes whenever another minute than the newest does.
        self.older_version = 0

    def take(self, bar: LiveBar) -> bool:
        """Take in a newer state of a minute; False when it is too old to be kept here."""
        if bar.minute < self.floor:
            return False
        known = self._live.get(bar.minute)
        # What a worker said that has lost its shard meanwhile must not undo what the next one said.
        if known is not None and bar.candle.last_id < known.candle.last_id:
            return True
        self._live[bar.minute] = bar
        self._show(bar.minute)
        return True

    def take_stored(self, rows: Iterable[Candle]) -> None:
        """Take in the stored minutes from the floor on."""
        self._stored = {row.open_time: row for row in rows}
        for minute in {*self._stored, *self._live}:
            self._show(minute)

    def lacking(self) -> list[tuple[int, int]]:
        """Minutes whose worker began inside them, each with the id it began with: take_beginning() is due."""
        return [(minute, bar.candle.first_id) for minute, bar in self._live.items() if not bar.whole]

    @property
    def unread(self) -> list[int]:
        """Minutes of which take_beginning() has not been told yet what is stored."""
        return [minute for minute, first_id in self.lacking() if self._beginnings.get(minute, (-1,))[0] != first_id]

    def with_holes(self) -> list[int]:
        """Minutes of which their worker missed ids: take_repair() is due when these were fetched."""
        return [minute for minute, bar in self._live.items() if not bar.candle.is_contiguous]

    def take_beginning(self, minute: int, first_id: int, beginning: Candle | None) -> None:
        """What is stored of a minute below that id."""
        self._beginnings[minute] = first_id, beginning
        self._guesses.pop(minute, None)
        self._show(minute)

    def take_repair(self, minute: int, ids: tuple[int, int], repaired: Candle) -> None:
        """What is stored of a minute out of a gap's ids, all of which its worker missed."""
        self._repairs.setdefault(minute, {})[ids] = repaired
        self._show(minute)

    def candles(self) -> list[Candle]:
        """The minutes, ascending, as well as they are known."""
        return [self._shown[minute] for minute in sorted(self._shown)]

    @property
    def newest(self) -> Candle | None:
        """The last of them."""
        return self._shown.get(self._newest)

    @property
    def closed_until(self) -> int:
        """The time (ms) that the symbol's own trades have passed."""
        bar = self._live.get(self._newest)
        return self._newest + (MINUTE_MS if bar is not None and bar.closed else 0)

    @property
    def is_settled(self) -> bool:
        """Whether the ids go on without a hole from before the floor to the newest one, as far as was published."""
        if self.unread:
            return False
        before = self.id_before
        for candle in self.candles():
            if not candle.is_contiguous or (before is not None and before + 1 != candle.first_id):
                return False
            before = candle.last_id
        return True

    def raise_floor(self) -> list[Candle]:
        """The minutes that are now too old to be kept apart, ascending: they belong into the charts' bases."""
        floor = max(self.floor, self._newest - KEPT_MINUTES * MINUTE_MS)
        if floor == self.floor:
            return []
        gone = [candle for candle in self.candles() if candle.open_time < floor]
        self.floor = floor
        for candle in gone:
            for minutes in (self._live, self._stored, self._beginnings, self._guesses, self._repairs, self._shown):
                minutes.pop(candle.open_time, None)
            self.id_before = candle.last_id
        self.older_version += 1
        return gone

    def _show(self, minute: int) -> None:
        known = self._known(minute)
        if known is not None:
            self._shown[minute] = known
            if minute != self._newest:
                self.older_version += 1
                self._newest = max(self._newest, minute)

    def _known(self, minute: int) -> Candle | None:
        stored, bar = self._stored.get(minute), self._live.get(minute)
        if bar is None:
            return stored
        live = self._mended(minute, bar)
        if live is None:
            return stored or self._shown.get(minute)
        if stored is not None and stored.aggregates >= live.aggregates and stored.last_id >= live.last_id:
            return stored
        return live

    def _mended(self, minute: int, bar: LiveBar) -> Candle | None:
        """The worker's bar and what is stored of what it missed; None while it is not clear what that is."""
        first_live = bar.candle.first_id
        first_id, beginning = (first_live, None) if bar.whole else self._beginnings.get(minute, (-1, None))
        if first_id != first_live:
            # Reading takes a moment, in which nobody should have to wait for what is known.
            before = self._stored.get(minute) or self._shown.get(minute)
            beginning = self._guesses.setdefault(minute, before)
            if beginning is not None and beginning.last_id >= first_live:
                return None
        live = bar.candle if beginning is None else together(minute, [beginning, bar.candle])
        repairs = [each for each in self._repairs.get(minute, {}).values() if each.first_id > first_live]
        if not repairs:
            return live
        mended = together(minute, [live, *repairs])
        # A repair of what the worker has after all would count it twice.
        return mended if mended.aggregates <= mended.last_id - mended.first_id + 1 else live


def together(open_time: int, parts: Sequence[Candle]) -> Candle:
    """One candle out of one or more parts that share no trade, at least one of them a worker's.

    A worker takes no trade twice, so that as many trades as there are ids are all of them.
    """
    whole = joined(open_time, parts)
    if whole.aggregates != whole.last_id - whole.first_id + 1:
        return whole
    return whole._replace(sum_of_ids=whole.aggregates * (whole.first_id + whole.last_id) // 2 % 2**64)
