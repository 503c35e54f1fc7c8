"""One symbol that somebody watches: its minutes, its charts and their subscribers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace

from api.binance.intervals import Interval
from api.candles import END_OF_TIME
from api.market import judged_candles
from api.parameters import Candles
from api.store import Store
from api.streaming.chart import Chart, Shown
from api.streaming.known import Known, OpenGap
from api.streaming.minutes import KEPT_MINUTES, MINUTE_MS, SymbolMinutes
from api.streaming.reading import Reading
from api.streaming.span import StoredSpan
from api.streaming.subscription import Subscription

#: A trade is stored at most so much later than it is published, while ClickHouse takes batches (seconds).
STORED_WITHIN = 2.5
#: Ids with a hole are read again after this long, then after twice as long, up to this (seconds).
MOST_PATIENCE = 60.0
#: A candle is over when the exchange's time is this far past its end, and no later trade has said so before (ms).
GRACE_MS = 2_000
#: The most candles that a repair sends again.
MOST_CORRECTIONS = 1001


class Feed:
    """What subscribers of one symbol share."""

    def __init__(
        self,
        symbol: str,
        store: Store,
        span: StoredSpan,
        exchange_ms: Callable[[], int],
        known: Known | None,
        repaired: Sequence[OpenGap] = (),
    ) -> None:
        """`exchange_ms` says the exchange's time; `repaired`: gaps that were closed lately, before anybody watched."""
        self.symbol = symbol
        self.minutes = SymbolMinutes(max(0, exchange_ms() // MINUTE_MS - KEPT_MINUTES) * MINUTE_MS)
        self.charts: dict[Interval, Chart] = {}
        self.subscriptions: dict[Interval, list[Subscription]] = {}
        #: Interval -> how many are subscribed to it or about to be.
        self.users: Counter[Interval] = Counter()
        #: As subscribers are told it; None while Postgres does not say.
        self.known = known
        self._said = known
        #: The last that Postgres said.
        self._last = known
        #: Gaps (their rows) of which it has been told that they were closed lately.
        self._told_closed = {gap.pk for gap in repaired}
        #: Gaps that were closed and whose trades have not been read yet: still open to subscribers.
        self._unread: list[OpenGap] = []
        #: Gaps that were closed while the minutes that they touch are kept apart.
        self.repaired = list(repaired)
        #: When to read again (monotonic seconds), None: not needed.
        self.due: float | None = None
        #: When to see whether what was published before anybody listened has been stored and read (monotonic seconds).
        self.catch_up_at: float | None = None
        #: Whether a worker has said something since this process listens.
        self.is_heard = False
        #: Whether a reading is under way, or waits for its turn.
        self.is_read = False
        self.lock = asyncio.Lock()
        self._store = store
        self._reading = Reading(store, symbol, span)
        self._patience = 1.0
        self._exchange_ms = exchange_ms
        self._closed_until = 0
        #: When the next candle ends (ms).
        self._next_end = 0

    async def read(self, repaired: Sequence[OpenGap] = ()) -> None:
        """Read all that is stored of the minutes and charts, and tell of it. Raises what Store.query raises."""
        async with self.lock:
            charts = list(self.charts.values())
            await self._reading.read(self.minutes, charts, self.repaired)
            # At once: what a repair brought is to be told as that.
            read = {gap.pk for gap in repaired}
            self._unread = [gap for gap in self._unread if gap.pk not in read]
            told = self._combine()
            self.tell(repaired)
            if told:
                self._repeat()
            await self._reading.explain(self.minutes, charts, self._closed_until)
        self.tell()

    async def read_beginnings(self) -> None:
        """Read only what workers lack that began inside a minute, and tell of it. Raises what Store.query raises."""
        async with self.lock:
            await self._reading.read_beginnings(self.minutes)
        self.tell()

    async def chart(self, interval: Interval) -> Chart:
        """The chart of this interval, read when it is new. Raises what Store.query raises."""
        async with self.lock:
            chart = self.charts.get(interval)
            if chart is None:
                chart = Chart(self.symbol, interval)
                if self.charts:
                    await self._reading.read_chart(self.minutes, chart)
                else:
                    await self._reading.read(self.minutes, [chart], self.repaired)
                await self._reading.explain(self.minutes, [chart], self._closed_until)
                self.charts[interval] = chart
            return chart

    def tell(self, repaired: Sequence[OpenGap] = ()) -> None:
        """Send what changed to whom it is shown; then let go of minutes that are too old to be kept apart.

        `repaired`: gaps of which the trades have come with the last reading.
        """
        exchange_ms = self._exchange_ms()
        # Never back: what was said to be closed stays so, and what comes for it late corrects it.
        passed = max(self.minutes.closed_until, exchange_ms - GRACE_MS)
        # The final state of a minute must be known before it is sent as that.
        self._closed_until = max(self._closed_until, min([passed, *self.minutes.unread]))
        times = [gap.times for gap in repaired]
        self._next_end = END_OF_TIME * 1000
        for interval, chart in self.charts.items():
            subscriptions = self.subscriptions.get(interval, ())
            for shown in chart.changes(self.minutes, self._closed_until, times):
                self._send(subscriptions, shown)
            self._next_end = min(self._next_end, chart.next_end())
        # A reading under way is of the floor as it is.
        if not self.lock.locked():
            gone = self.minutes.raise_floor()
            if gone:
                for chart in self.charts.values():
                    chart.fold(gone, self.minutes.floor)
                self.repaired = [gap for gap in self.repaired if gap.reaches(self.minutes.floor)]

    def tell_in_time(self) -> None:
        """The same, when time alone may have ended a candle."""
        if self._exchange_ms() - GRACE_MS >= self._next_end:
            self.tell()

    def _send(self, subscriptions: Iterable[Subscription], shown: Shown) -> None:
        """An update, written once for all subscriptions of a form."""
        heads: dict[Hashable, str] = {}
        for subscription in subscriptions:
            if shown.candle.open_time < subscription.since:
                continue
            form = subscription.form
            head = heads.get(form)
            if head is None:
                head = heads[form] = subscription.head(shown, self._exchange_ms())
            subscription.update(shown, head, self.known)

    def catch_up(self, at: float) -> None:
        """What was published before is missed, and may not be stored before this time (monotonic seconds)."""
        self.catch_up_at, self.is_heard = at, False

    def plan(self, now: float) -> None:
        """Decide when to read again: soon and then ever more seldom, as long as ids are missing."""
        if self.catch_up_at is not None and now >= self.catch_up_at:
            self.catch_up_at = None
            # Where all ids up to what a worker said meanwhile are there, nothing was missed.
            if not (self.is_heard and self.minutes.id_before is not None and self.minutes.is_settled):
                self.due = now
        if self.minutes.is_settled:
            self._patience = 1.0
        elif self.due is None:
            self.due = now + self._patience
            self._patience = min(2 * self._patience, MOST_PATIENCE)

    def take_known(self, known: Known | None) -> list[OpenGap]:
        """Note what is known now, tell subscribers whose status it changes; the gaps that were closed."""
        self._said = known
        closed: dict[int, OpenGap] = {}
        if known is not None:
            # By its row: a gap may grow.
            unfinished = {gap.pk for gap in known.gaps}
            gone = [gap for gap in self._last.gaps if gap.pk not in unfinished] if self._last else []
            lately = {gap.pk: gap for gap in known.recovered}
            closed = {gap.pk: gap for gap in gone} | {
                pk: gap for pk, gap in lately.items() if pk not in self._told_closed
            }
            self._told_closed, self._last = set(lately), known
        self._unread.extend(closed.values())
        if self._combine():
            self._repeat()
        return list(closed.values())

    def _combine(self) -> bool:
        """Put together what subscribers are told; whether it is something new."""
        before, said = self.known, self._said
        self.known = None if said is None else replace(said, gaps=(*said.gaps, *self._unread))
        return self.known != before

    def _repeat(self) -> None:
        """Send the newest candles again, for their status."""
        for interval, subscriptions in self.subscriptions.items():
            shown = self.charts[interval].shown
            if shown:
                newest = shown[max(shown)]
                self._send(subscriptions, replace(newest, corrected=False))

    async def correct(self, closed: Sequence[OpenGap]) -> None:
        """Read again after these gaps were closed, and send the candles that they touch."""
        self.repaired.extend(gap for gap in closed if gap not in self.repaired)
        await self.read(closed)
        for interval, subscriptions in list(self.subscriptions.items()):
            if subscriptions and interval.minutes is not None and not interval.offset_ms:
                await self._correct_older(self.charts[interval], interval.minutes, subscriptions, closed)

    async def _correct_older(
        self, chart: Chart, minutes: int, subscriptions: list[Subscription], closed: Sequence[OpenGap]
    ) -> None:
        """The candles before the floor's."""
        since = min(each.since for each in subscriptions)
        floor = chart.opens_at(self.minutes.floor) - 1
        start = max(since, min(chart.opens_at(gap.times[0]) for gap in closed))
        end = min(floor, max(gap.times[1] for gap in closed))
        if start > end:
            return
        asked = Candles(timeframe=minutes, start_time=start, end_time=end, limit=MOST_CORRECTIONS)
        for candle, verdict in await judged_candles(self._store, self.symbol, asked):
            chart.note(candle, verdict)
            self._send(subscriptions, Shown(candle, verdict, corrected=True))
