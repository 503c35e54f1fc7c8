"""The one place of a process where live minutes arrive and candles go out to all who subscribed."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import orjson
from django.db import DatabaseError
from django.utils import timezone

from api.binance.intervals import Interval
from api.market import check_known, judged_candles
from api.parameters import Candles
from api.store import Store
from api.streaming.always import always
from api.streaming.chart import Chart, Shown
from api.streaming.feed import STORED_WITHIN, Feed
from api.streaming.known import Known, OpenGap, read_again, read_known, read_repaired
from api.streaming.listener import Listener
from api.streaming.minutes import LiveBar, bar_of
from api.streaming.span import StoredSpan
from api.streaming.subscription import Subscription
from collectors.publisher import minute_channel
from dataprovider.clickhouse import ClickHouseError
from dataprovider.clickhouse.shards import SHARD_COUNT

logger = logging.getLogger(__name__)

#: Makes a subscription to a chart that shows candles from a time (ms) on, and sends the first of them.
Begin = Callable[[Chart, int, Sequence[Shown], Known | None], Subscription]

#: How often time alone is looked at (seconds): candles that end, readings that are due.
TICK_SECONDS = 0.25
#: Of each symbol the hub remembers so many published minutes.
MINUTES_KEPT = 2
#: How often Postgres is asked about watched symbols (seconds).
KNOWN_SECONDS = 1.0


class Hub:
    """Feeds of the watched symbols. All of it runs in one event loop; the first subscriber starts it."""

    def __init__(self, store: Store, redis_url: str) -> None:
        self._store = store
        self._span = StoredSpan(store)
        channels = map(minute_channel, range(SHARD_COUNT))
        self._listener = Listener(redis_url, channels, self._take, self._read_all_again)
        self._feeds: dict[str, Feed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._turn = asyncio.Lock()
        #: Each symbol's newest minutes as they were published: who comes later begins with them.
        self._newest: dict[str, dict[int, LiveBar]] = {}
        self._listens_since = time.monotonic()
        #: The newest time known of the exchange (ms), and when it was learnt (monotonic; 0: from the store).
        self._exchange_ms = 0
        self._exchange_at = 0.0
        #: When Postgres last said what it knows.
        self._looked_at = timezone.now()

    async def subscribe(self, symbol: str, interval: Interval, initial: int, begin: Begin) -> Subscription:
        """`begin` is given the newest `initial` candles and makes a subscription, which then gets every change.

        Raises UnknownSymbol, what Store.query raises, and django.db.Error.
        """
        self._start()
        feed = await self._feed(symbol)
        feed.users[interval] += 1
        try:
            return await self._join(feed, interval, initial, begin)
        except BaseException:
            self._release(feed, interval)
            raise

    async def _join(self, feed: Feed, interval: Interval, initial: int, begin: Begin) -> Subscription:
        chart = await feed.chart(interval)
        older: list[Shown] = []
        while True:
            floor = chart.opens_at(feed.minutes.floor)
            if initial > 0 and floor > 0:
                asked = Candles(timeframe=interval.timeframe, end_time=floor - 1, limit=initial)
                stored = await judged_candles(self._store, feed.symbol, asked)
                older = [Shown(candle, verdict) for candle, verdict in stored]
            # Nothing waits between the last look and the subscription: what comes later is an update.
            if floor == chart.opens_at(feed.minutes.floor):
                break
        for each in older:
            chart.note(each.candle, each.verdict)
        feed.tell()
        candles = [*older, *(chart.shown[at] for at in sorted(chart.shown))]
        shown = candles[-initial:] if initial else []
        newest = candles[-1].candle.open_time if candles else chart.opens_at(self.exchange_ms)
        subscription = begin(chart, shown[0].candle.open_time if shown else newest, shown, feed.known)
        feed.subscriptions.setdefault(interval, []).append(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Send no more; what nobody watches is forgotten."""
        feed = self._feeds[subscription.chart.symbol]
        feed.subscriptions[subscription.chart.interval].remove(subscription)
        self._release(feed, subscription.chart.interval)

    def _release(self, feed: Feed, interval: Interval) -> None:
        feed.users[interval] -= 1
        if feed.users[interval] <= 0:
            del feed.users[interval]
            feed.subscriptions.pop(interval, None)
            feed.charts.pop(interval, None)
        if not feed.users:
            del self._feeds[feed.symbol]

    @property
    def exchange_ms(self) -> int:
        """The exchange's time now (ms), as far as it is known."""
        elapsed = time.monotonic() - self._exchange_at if self._exchange_at else 0.0
        return self._exchange_ms + int(elapsed * 1000)

    async def _feed(self, symbol: str) -> Feed:
        if symbol not in self._feeds:
            _, newest = await self._span()
            if not self._exchange_at:
                self._exchange_ms = max(self._exchange_ms, newest)
            if symbol not in self._newest:
                await check_known(self._store, symbol)
            known, repaired = await self._beginning_of(symbol)
            if symbol not in self._feeds:
                feed = Feed(symbol, self._store, self._span, lambda: max(newest, self.exchange_ms), known, repaired)
                if time.monotonic() - self._listens_since < STORED_WITHIN:
                    feed.catch_up(time.monotonic() + STORED_WITHIN)
                for bar in self._newest.get(symbol, {}).values():
                    feed.minutes.take(bar)
                    feed.is_heard = True
                self._feeds[symbol] = feed
        return self._feeds[symbol]

    def _start(self) -> None:
        if not self._started:
            self._started = True
            for work in (self._listener.listen, self._tick, self._watch_known):
                self._spawn(always(work))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("Streaming failed", exc_info=error)

    def _take(self, data: bytes) -> None:
        changed: dict[str, Feed] = {}
        for each in orjson.loads(data):
            if each["E"] > self._exchange_ms or not self._exchange_at:
                self._exchange_ms, self._exchange_at = each["E"], time.monotonic()
            symbol, bar = each["s"], bar_of(each)
            newest = self._newest.setdefault(symbol, {})
            newest[bar.minute] = bar
            if len(newest) > MINUTES_KEPT:
                del newest[min(newest)]
            feed = self._feeds.get(symbol)
            if feed is None:
                continue
            feed.is_heard = True
            if feed.minutes.take(bar):
                changed[feed.symbol] = feed
            elif feed.due is None:
                feed.due = time.monotonic() + STORED_WITHIN
        for feed in changed.values():
            feed.tell()

    def _read_all_again(self) -> None:
        self._newest.clear()
        self._listens_since = time.monotonic()
        for feed in self._feeds.values():
            self._read_soon(feed, feed.read)
            feed.catch_up(time.monotonic() + STORED_WITHIN)

    async def _tick(self) -> None:
        await asyncio.sleep(TICK_SECONDS)
        now = time.monotonic()
        for feed in list(self._feeds.values()):
            feed.tell_in_time()
            feed.plan(now)
            if feed.is_read:
                continue
            if feed.due is not None and now >= feed.due:
                feed.due = None
                self._read_soon(feed, feed.read)
            elif feed.minutes.unread:
                self._read_soon(feed, feed.read_beginnings)

    def _read_soon(self, feed: Feed, read: Callable[[], Awaitable[None]]) -> None:
        feed.is_read = True
        self._spawn(self._read(feed, read))

    async def _read(self, feed: Feed, read: Callable[[], Awaitable[None]]) -> None:
        """Read from the store, one symbol after another and with pauses: no update is to wait for it."""
        try:
            async with self._turn:
                began = time.monotonic()
                await read()
                await asyncio.sleep(time.monotonic() - began)
        except ClickHouseError as error:
            logger.warning("%s is not read again yet: %s", feed.symbol, error)
            feed.due = time.monotonic() + 1.0
        finally:
            feed.is_read = False

    async def _watch_known(self) -> None:
        await asyncio.sleep(KNOWN_SECONDS)
        watched = list(self._feeds.values())
        found = await self._known_of([feed.symbol for feed in watched])
        for feed in watched:
            closed = feed.take_known(found.get(feed.symbol))
            if closed:
                self._spawn(self._correct(feed, closed))

    async def _correct(self, feed: Feed, closed: list[OpenGap]) -> None:
        while self._feeds.get(feed.symbol) is feed:
            try:
                await feed.correct(await self._store.ask_postgres(lambda: read_again(closed)))
                break
            except (DatabaseError, ClickHouseError) as error:
                logger.warning("A repair of %s is not shown yet: %s", feed.symbol, str(error).partition("\n")[0])
                await asyncio.sleep(1.0)

    async def _known_of(self, symbols: list[str]) -> dict[str, Known]:
        """What Postgres knows of these symbols, nothing while it does not answer."""
        now = timezone.now()
        if not symbols:
            self._looked_at = now
            return {}
        try:
            known = await self._store.ask_postgres(lambda: read_known(symbols, self._looked_at))
            self._looked_at = now
            return known
        except (DatabaseError, ClickHouseError):
            return {}

    async def _beginning_of(self, symbol: str) -> tuple[Known | None, list[OpenGap]]:
        """What Postgres knows of a symbol, and its gaps that were closed lately."""
        now = timezone.now()
        try:
            return await self._store.ask_postgres(lambda: (read_known([symbol], now)[symbol], read_repaired(symbol)))
        except (DatabaseError, ClickHouseError):
            return None, []
