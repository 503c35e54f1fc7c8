"""From trades to batches: each trade judged, folded into its minute, and put into its shard's next batch. No I/O."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import inf

from collectors.batch import Batch, columns_of
from collectors.continuity import Boundary, Cause, Continuity, Hole
from collectors.live import LiveMinutes, MinuteBar
from collectors.trade import Trade

#: A shard's batch is sealed at this many trades, or at this age of its oldest one (seconds).
FLUSH_ROWS = 20_000
FLUSH_SECONDS = 1.0
#: How long a hole may wait for a late trade before it is reported as a gap (seconds).
HOLE_GRACE = 2.0
#: How long the first trade of a contract may wait to be borne out before it is reported as a gap (seconds).
UNPROVED_SECONDS = 60.0
#: An owner that was cut off received what nobody stored for so long at most (seconds): its lease runs out after 15, a
#: first trade is reported after 60, and taking over takes a few.
LOOK_BACK_SECONDS = 120.0
#: Of boundaries that nobody takes, only the newest are kept.
MOST_BOUNDARIES = 50_000


@dataclass(slots=True)
class ShardBuffer:
    """The next batch of one shard."""

    shard: int
    epoch: int
    sequence: int = 0
    rows: list[Trade] = field(default_factory=list)
    since: float = 0.0


@dataclass(slots=True)
class Tracked:
    """One symbol that is, or was, collected by this worker."""

    continuity: Continuity
    buffer: ShardBuffer
    minutes: LiveMinutes
    since: float
    received: int = 0
    seen_at: float = 0.0
    interrupted_at: float = 0.0
    #: Of a symbol that has not begun: since when its first trade may have gone by unseen, None if it cannot.
    unseen_since: float | None = None


class Ingest:
    """The symbols and shards of one worker. `symbols` is what trades may be of; one thread calls it."""

    def __init__(self) -> None:
        self.symbols: dict[str, Tracked] = {}
        self.buffers: dict[int, ShardBuffer] = {}
        self.received = 0
        self.duplicates = 0
        #: A trade of a later time (ms) is dated ahead, and changes no live minute.
        self.latest_ms = inf
        self.boundaries: Counter[str] = Counter()
        self._new_boundaries: deque[tuple[str, int, Boundary]] = deque(maxlen=MOST_BOUNDARIES)
        self._changed: dict[tuple[str, int], MinuteBar] = {}

    def open_shard(self, shard: int, epoch: int) -> None:
        """From now on trades of this shard are batched under `epoch`."""
        self.buffers[shard] = ShardBuffer(shard, epoch)

    def track(self, symbol: str, shard: int, frontier: int | None, now: float, *, had_owner: bool = False) -> None:
        """Begin to collect a symbol of an open shard, after the highest stored id.

        `had_owner`: another did so before, and what it received and did not store went with it.
        """
        self.symbols[symbol] = Tracked(
            Continuity(frontier),
            self.buffers[shard],
            LiveMinutes(self._note_change, lambda: self.latest_ms),
            since=now,
            seen_at=now,
            unseen_since=now - LOOK_BACK_SECONDS if had_owner and frontier is None else None,
        )

    def epoch_of(self, symbol: str) -> int:
        """Under which it is collected."""
        return self.symbols[symbol].buffer.epoch

    def close_shard(self, shard: int) -> list[str]:
        """Forget a shard whose batches were all sealed; the symbols that went with it."""
        buffer = self.buffers.pop(shard)
        gone = [symbol for symbol, tracked in self.symbols.items() if tracked.buffer is buffer]
        for symbol in gone:
            del self.symbols[symbol]
        return gone

    def interrupted(self, symbols: Iterable[str], cause: Cause, now: float) -> None:
        """The stream of these symbols broke: their next trade gets a verdict."""
        for symbol in symbols:
            if symbol in self.symbols:
                tracked = self.symbols[symbol]
                tracked.interrupted_at = now
                tracked.continuity.mark_boundary(cause)
                if cause is Cause.RECONNECT and tracked.continuity.beginning is not None:
                    tracked.unseen_since = min(tracked.since, tracked.unseen_since or tracked.since)

    def awaiting_verdict(self, symbols: Iterable[str], silent_since: float) -> dict[str, int]:
        """Symbol -> highest id here, for those that were interrupted and have been silent since before that time."""
        waiting = {}
        for symbol in symbols:
            tracked = self.symbols[symbol]
            last_id = tracked.continuity.last_id
            if last_id is not None and tracked.continuity.awaits_verdict and tracked.interrupted_at <= silent_since:
                waiting[symbol] = last_id
        return waiting

    def awaiting_proof(self, symbols: Iterable[str], received_until: float) -> dict[str, int]:
        """Symbol -> id of its first trade, which was received until that time and which nothing bore out; those that
        wait longest first."""
        waiting = []
        for symbol in symbols:
            beginning = self.symbols[symbol].continuity.beginning
            if beginning is not None and beginning.held:
                aggregate_id = beginning.asked_for(received_until)
                if aggregate_id is not None:
                    waiting.append((beginning.held[0].since, symbol, aggregate_id))
        return {symbol: aggregate_id for _, symbol, aggregate_id in sorted(waiting)}

    def awaiting_start(self, symbols: Iterable[str], interrupted_until: float) -> dict[str, float]:
        """Symbol -> since when its first trade may have gone by unseen, of those that were last interrupted until that
        time."""
        return {
            symbol: tracked.unseen_since
            for symbol in symbols
            if (tracked := self.symbols[symbol]).unseen_since is not None
            and max(tracked.since, tracked.interrupted_at) <= interrupted_until
        }

    def learn(self, newest_ids: Mapping[str, int], now: float) -> None:
        """Take in how far the exchange is with symbols that were interrupted."""
        for symbol, newest_id in newest_ids.items():
            if symbol in self.symbols:
                self.symbols[symbol].continuity.learn(newest_id, now)

    def learn_firsts(self, firsts: Mapping[str, tuple[int, bool]], now: float) -> None:
        """Take in, for an id of a symbol, whether the exchange has such a trade."""
        for symbol, (aggregate_id, real) in firsts.items():
            tracked = self.symbols.get(symbol)
            if tracked is not None:
                self._accept(tracked.continuity.learn_first(aggregate_id, now, real=real), symbol, tracked, now)

    def learn_starts(self, starts: Mapping[str, tuple[int, int] | None], now: float) -> None:
        """Take in, for a symbol, the first and last id that the exchange has since it may have begun, if any."""
        for symbol, ids in starts.items():
            tracked = self.symbols.get(symbol)
            if tracked is not None and tracked.unseen_since is not None:
                tracked.unseen_since = None
                if ids is not None:
                    self._accept(tracked.continuity.learn_start(*ids, now), symbol, tracked, now)

    def add(self, trades: list[Trade], now: float) -> None:
        """Take in trades in the order of their arrival; `now` in seconds of a steady clock."""
        symbols = self.symbols
        self.received += len(trades)
        for trade in trades:
            tracked = symbols[trade.symbol]
            tracked.received += 1
            tracked.seen_at = now
            continuity = tracked.continuity
            if trade.aggregate_id == continuity.next_id:
                continuity.next_id += 1
                continuity.tail.append(trade.first_trade_id)
                continuity.last_ms = trade.timestamp
                buffer = tracked.buffer
                if not buffer.rows:
                    buffer.since = now
                buffer.rows.append(trade)
                tracked.minutes.add(trade)
            else:
                self._irregular(trade, tracked, now)

    def seal_due(self, now: float, *, max_age: float = FLUSH_SECONDS) -> list[Batch]:
        """The batches that are large or old enough; `max_age=0` for all of them."""
        return [
            self.seal(buffer)
            for buffer in self.buffers.values()
            if buffer.rows and (len(buffer.rows) >= FLUSH_ROWS or now - buffer.since >= max_age)
        ]

    def seal(self, buffer: ShardBuffer) -> Batch:
        """Turn what a buffer holds (at least one trade) into its next batch."""
        rows, buffer.rows = buffer.rows, []
        buffer.sequence += 1
        return Batch(buffer.shard, buffer.epoch, buffer.sequence, columns_of(rows), buffer.since)

    def due_holes(
        self, now: float, grace: float = HOLE_GRACE, patience: float = UNPROVED_SECONDS
    ) -> list[tuple[str, Hole]]:
        """Holes that are now gaps, each once: ids that nobody filled, and what Continuity.unproved says."""
        return [
            (symbol, hole)
            for symbol, tracked in self.symbols.items()
            for hole in (*tracked.continuity.due_holes(now, grace), *tracked.continuity.unproved(now, patience))
        ]

    def unproved(self, shard: int, now: float) -> list[tuple[str, Hole]]:
        """What of a shard is in memory alone, likewise, however long it has waited."""
        buffer = self.buffers[shard]
        return [
            (symbol, hole)
            for symbol, tracked in self.symbols.items()
            if tracked.buffer is buffer
            for hole in tracked.continuity.unproved(now, 0.0)
        ]

    def held_back(self) -> list[tuple[str, Hole]]:
        """What is in memory alone, neither stored nor reported: first trades, and late ones before them."""
        return [(symbol, hole) for symbol, tracked in self.symbols.items() for hole in tracked.continuity.held_back]

    def take_rejected(self) -> list[Trade]:
        """Trades whose id turned out to be absurd."""
        rejected: list[Trade] = []
        for tracked in self.symbols.values():
            if tracked.continuity.rejected:
                rejected.extend(tracked.continuity.rejected)
                tracked.continuity.rejected.clear()
        return rejected

    def take_boundaries(self) -> list[tuple[str, int, Boundary]]:
        """The verdicts since the last call, each with its symbol and the epoch it was collected under."""
        taken = list(self._new_boundaries)
        self._new_boundaries.clear()
        return taken

    def close_minutes(self, exchange_now_ms: int) -> None:
        """Close the minutes that the exchange's clock has passed."""
        for tracked in self.symbols.values():
            tracked.minutes.close_if_past(exchange_now_ms)

    def take_changed_bars(self) -> list[MinuteBar]:
        """The minute bars that changed since the last call."""
        changed, self._changed = self._changed, {}
        return list(changed.values())

    @property
    def buffered_rows(self) -> int:
        """Trades not yet sealed into a batch. Of any thread."""
        return sum(len(buffer.rows) for buffer in list(self.buffers.values()))

    @property
    def oldest_since(self) -> float | None:
        """When the oldest trade was received that is not sealed into a batch; None: there is none. Of any thread."""
        return min((buffer.since for buffer in list(self.buffers.values()) if buffer.rows), default=None)

    def _irregular(self, trade: Trade, tracked: Tracked, now: float) -> None:
        stored = tracked.continuity.irregular(trade, now)
        if not stored and not tracked.continuity.holds(trade):
            self.duplicates += 1
        self._accept(stored, trade.symbol, tracked, now)

    def _accept(self, stored: list[Trade], symbol: str, tracked: Tracked, now: float) -> None:
        continuity = tracked.continuity
        for accepted in stored:
            if not tracked.buffer.rows:
                tracked.buffer.since = now
            tracked.buffer.rows.append(accepted)
            tracked.minutes.add(accepted)
        if continuity.boundaries:
            self.boundaries.update(boundary.verdict.value for boundary in continuity.boundaries)
            epoch = tracked.buffer.epoch
            self._new_boundaries.extend((symbol, epoch, boundary) for boundary in continuity.boundaries)
            continuity.boundaries.clear()

    def _note_change(self, bar: MinuteBar) -> None:
        self._changed[bar.symbol, bar.minute] = bar
