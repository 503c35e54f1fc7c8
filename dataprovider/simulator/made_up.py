"""The made-up market: seeded, realistic, a pure function of time, going on where it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dataprovider.simulator.clock import MovableClock
from dataprovider.simulator.feed import Feed
from dataprovider.simulator.frames import FrameMaker
from dataprovider.simulator.market import TICK_MS, Run, Skipped
from dataprovider.simulator.segments import FirstIds, Parameters, Segment, SegmentStore, SegmentView, beginning
from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import Trades, joined

DAY_MS = 86_400_000
#: After a longer pause (a machine that slept) the trades of the meantime are not sent any more: nobody listened.
FORGIVEN_MS = 60_000


class MadeUpMarket:
    """See market.Market. `clock` gives milliseconds; `store` remembers segments, None forgets them."""

    kind = "made-up"
    finished = False

    def __init__(
        self,
        contracts: Sequence[Contract],
        *,
        seed: int,
        rate: float,
        clock: MovableClock,
        store: SegmentStore | None = None,
        history_days: int = 3,
        paused: bool = False,
    ) -> None:
        self.contracts = tuple(contracts)
        self._parameters = Parameters(seed, rate, contracts)
        self._clock = clock
        self._store = store
        self._makers = [FrameMaker(contract, has_normal=True) for contract in contracts]
        self._known = {contract.symbol for contract in contracts}
        #: Feeds still to be emptied, with the time they end (None: running).
        self._feeds: list[tuple[Feed, int | None]] = []
        #: When trades were last asked for.
        self._asked_ms: int | None = None
        self._segments = store.load() if store else []
        for segment in self._segments:
            if segment.parameters.fingerprint == self._parameters.fingerprint:
                segment.parameters = self._parameters
        self._resume(history_days, paused=paused)

    @property
    def running(self) -> bool:
        return bool(self._segments) and self._segments[-1].end_ms is None

    @property
    def segments(self) -> Sequence[Segment]:
        return tuple(self._segments)

    def now_ms(self) -> int:
        return self._clock()

    @property
    def clock_offset_ms(self) -> int:
        return self._clock.offset_ms

    def advance(self, ms: int) -> Skipped:
        handed_out = self._clock() if self._asked_ms is None else _last_ended(self._asked_ms)
        last = self._segments[-1]
        self._clock.advance(ms)
        now = self._clock()
        if last.end_ms is None:
            self._feed_from(now)
        self._asked_ms = now
        return Skipped(handed_out if last.end_ms is None else last.end_ms, now)

    def start(self) -> None:
        if self.running:
            return
        last = self._segments[-1]
        self._open(max(self._clock(), (last.end_ms or 0) + 1))
        self._save()

    def stop(self) -> int:
        last = self._segments[-1]
        if last.end_ms is None:
            last.end_ms = _tick_end(self._clock())
            self._feeds = [(feed, last.end_ms if end is None else end) for feed, end in self._feeds]
            self._save()
        return last.end_ms

    def due(self, until_ms: int) -> list[Run]:
        if self._asked_ms is not None and until_ms - self._asked_ms > FORGIVEN_MS and self.running:
            self._feed_from(until_ms)
        self._asked_ms = until_ms
        runs: list[Run] = []
        for feed, end in self._feeds:
            runs += feed.due(until_ms if end is None else min(until_ms, end))
        self._feeds = [(feed, end) for feed, end in self._feeds if end is None or until_ms < end]
        return runs

    def ids(self, symbol: str, now_ms: int) -> tuple[int, int]:
        views = self._views(symbol, now_ms)
        if not views:
            return 0, 0
        return views[0].first.aggregate, views[-1].end_id(now_ms)

    def first_id_since(self, symbol: str, time_ms: int, now_ms: int) -> int:
        end = 0
        for view in self._views(symbol, now_ms):
            end = view.end_id(now_ms)
            found = view.id_at_time(time_ms)
            if found < end:
                return found
        return end

    def time_of(self, symbol: str, first_id: int, now_ms: int) -> int | None:
        first, end = self.ids(symbol, now_ms)
        wanted = max(first, first_id)
        for piece in self.read(symbol, wanted, min(wanted + 1, end)):
            return int(piece.time[0])
        return None

    def read(self, symbol: str, first_id: int, end_id: int) -> Iterator[Trades]:
        for view in self._views(symbol, None):
            end = view.segment.end_ms
            last = end_id if end is None else min(end_id, view.end_id(end))
            yield from view.pieces(max(first_id, view.first.aggregate), last)

    def latest(self, symbol: str, count: int, end_id: int) -> Trades:
        return joined(list(self.read(symbol, end_id - count, end_id)))

    def _views(self, symbol: str, now_ms: int | None) -> list[SegmentView]:
        if symbol not in self._known:
            raise KeyError(symbol)
        found = [segment.view(symbol) for segment in self._segments if now_ms is None or segment.start_ms <= now_ms]
        return [view for view in found if view is not None]

    def _resume(self, history_days: int, *, paused: bool) -> None:
        now = self._clock()
        if not self._segments:
            start = (now // DAY_MS - history_days) * DAY_MS
            self._segments.append(Segment(self._parameters, start, None, beginning(self._parameters, start)))
        last = self._segments[-1]
        same = last.parameters.fingerprint == self._parameters.fingerprint
        if last.end_ms is None and (paused or not same):
            last.end_ms = _tick_end(now)
        if last.end_ms is None:
            self._feed(last, now)
        elif not paused:
            self._open(max(now, last.end_ms + 1))
        self._save()

    def _open(self, start_ms: int) -> None:
        """Begin a segment whose ids follow those of the last one."""
        first_ids: dict[str, FirstIds] = beginning(self._parameters, start_ms)
        first_ids |= self._segments[-1].next_ids()
        segment = Segment(self._parameters, start_ms, None, first_ids)
        self._segments.append(segment)
        self._feed(segment, start_ms)

    def _feed(self, segment: Segment, from_ms: int) -> None:
        views = [segment.view(contract.symbol) for contract in self.contracts]
        self._feeds.append((Feed(views, self._makers, from_ms), None))

    def _feed_from(self, ms: int) -> None:
        """Go on with the running segment at a time: nobody listened before."""
        self._feeds = [(feed, end) for feed, end in self._feeds if end is not None]
        self._feed(self._segments[-1], ms)

    def _save(self) -> None:
        if self._store is not None:
            self._store.save(self._segments)


def _tick_end(ms: int) -> int:
    return ms // TICK_MS * TICK_MS + TICK_MS - 1


def _last_ended(ms: int) -> int:
    """The last millisecond of the tick that had ended by then."""
    return (ms + 1) // TICK_MS * TICK_MS - 1
