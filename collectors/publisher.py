"""Telling the rest of the system: live minutes and this worker's heartbeat to Valkey, from a thread of its own.

Valkey away costs freshness, never trades: what could not be published is replaced by what is newest later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from redis import Redis
from redis.exceptions import RedisError

from collectors.backoff import Backoff
from collectors.board import Board
from collectors.live import MinuteBar
from collectors.trade import Trade
from dataprovider.clickhouse.shards import shard_of
from dataprovider.heartbeat import HEARTBEAT_SECONDS, WorkerStatus, write_worker

logger = logging.getLogger(__name__)

#: A changed minute bar is published at most this often (seconds), and less often when that would take a tenth of the
#: reading thread's time.
PUBLISH_INTERVAL = 0.010
PUBLISH_SHARE = 0.1
#: While Valkey is away, so many minutes are kept to be published later.
MOST_KEPT = 5_000


TRADES = "dataprovider:trades:"
TRADES_PATTERN = f"{TRADES}*"
#: How often workers look for who listens to trades (seconds).
LOOK_INTERVAL = 0.5
#: While Valkey does not take them, so many trades wait; the older ones are dropped: who listens sees it by the ids.
MOST_TRADES = 20_000


def minute_channel(shard: int) -> str:
    """The Valkey channel on which a shard's live minutes are published: a JSON list of bars a message."""
    return f"dataprovider:minutes:{shard}"


def trade_channel(symbol: str) -> str:
    """The Valkey channel of a symbol's trades, published only while somebody listens: see `trade_message`."""
    return f"{TRADES}{symbol}"


def trade_message(symbol: str, trades: list[Trade]) -> bytes:
    """Trades as they are published: `t` is a list of [id, price, quantity, first, last, time, maker, event time]."""
    rows = [each[1:] for each in trades]
    return orjson.dumps({"s": symbol, "t": rows})


def bar_message(bar: MinuteBar, exchange_ms: int) -> dict[str, Any]:
    """A live minute as it is published: integers only, sums (which may be beyond 64 bits) as decimal text.

    `exchange_ms` is the newest time known of the exchange.
    """
    return {
        "s": bar.symbol,
        "t": bar.minute,
        "o": bar.open,
        "h": bar.high,
        "l": bar.low,
        "c": bar.close,
        "v": str(bar.volume),
        "q": str(bar.quote_volume),
        "V": str(bar.taker_buy_volume),
        "Q": str(bar.taker_buy_quote_volume),
        "n": bar.trades,
        "a": bar.aggregates,
        "f": bar.first_id,
        "L": bar.last_id,
        "w": bar.whole,
        "x": bar.closed,
        "E": exchange_ms,
    }


class Publisher:
    """Collects changed bars and sends the newest state of each."""

    def __init__(self, redis: Redis, status: Callable[[], WorkerStatus]) -> None:
        self._redis = redis
        self._status = status
        self._changed: dict[tuple[str, int], dict[str, Any]] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        #: Set when something was offered: it goes out at once, and not at the next of two beats.
        self._offered = threading.Event()
        self._board = Board()
        self._backoff = Backoff(first=0.2, most=5.0)
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self.failures = 0
        #: Symbols whose trades somebody listens to: only those are to be offered.
        self.wanted: frozenset[str] = frozenset()
        self._trades: deque[Trade] = deque(maxlen=MOST_TRADES)
        self._next_look = 0.0
        self._beats_now = False

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def offer(self, bars: Iterable[MinuteBar], exchange_ms: int) -> None:
        """Hand over the bars that changed, as they are now at this time of the exchange; never blocks on Valkey."""
        messages = {(bar.symbol, bar.minute): bar_message(bar, exchange_ms) for bar in bars}
        with self._lock:
            self._changed.update(messages)
        if messages:
            self._offered.set()

    def offer_trades(self, trades: Iterable[Trade]) -> None:
        """Hand over trades of symbols that are `wanted`; never blocks on Valkey."""
        with self._lock:
            self._trades.extend(trades)
        self._offered.set()

    def beat(self) -> None:
        """Say now, and not only with the next heartbeat, what the worker is and carries."""
        self._beats_now = True
        self._offered.set()

    def stop(self) -> None:
        """Publish what is left, once, and end the thread."""
        self._stop.set()
        self._offered.set()
        self._thread.join(3.0)

    def _run(self) -> None:
        next_beat = 0.0
        while True:
            self._offered.wait(max(0.0, min(next_beat, self._next_look) - time.monotonic()))
            self._offered.clear()
            stopping = self._stop.is_set()
            try:
                self._publish()
                self._look()
                now = time.monotonic()
                if now >= next_beat or self._beats_now or stopping:
                    self._beats_now = False
                    next_beat = now + HEARTBEAT_SECONDS
                    write_worker(self._redis, self._status())
                    self._board.write(self._redis)
                self._backoff.reset()
            except RedisError as error:
                if not self.failures:
                    logger.warning("Valkey does not take live minutes: %s", str(error).splitlines()[0])
                self.failures += 1
                self._stop.wait(self._backoff.next_delay())
            if stopping:
                return

    def _look(self) -> None:
        """See who listens to trades: one cheap question, whatever the number of symbols."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_INTERVAL
            channels = self._redis.pubsub_channels(TRADES_PATTERN)
            names = {each if isinstance(each, str) else each.decode() for each in channels}
            self.wanted = frozenset(name.removeprefix(TRADES) for name in names - {TRADES_PATTERN})

    def _publish(self) -> None:
        with self._lock:
            changed, self._changed = self._changed, {}
            trades, self._trades = self._trades, deque(maxlen=MOST_TRADES)
        if not changed and not trades:
            return
        symbols: dict[str, list[Trade]] = {}
        for trade in trades:
            symbols.setdefault(trade.symbol, []).append(trade)
        shards: dict[int, list[dict[str, Any]]] = {}
        for message in changed.values():
            self._board.note(message)
            shards.setdefault(shard_of(message["s"]), []).append(message)
        pipeline = self._redis.pipeline(transaction=False)
        for shard, messages in shards.items():
            pipeline.publish(minute_channel(shard), orjson.dumps(messages))
        for symbol, each in symbols.items():
            pipeline.publish(trade_channel(symbol), trade_message(symbol, each))
        try:
            pipeline.execute()
        except RedisError:
            # A symbol that has no more trades would stay as it was last heard of.
            with self._lock:
                self._changed = {**changed, **self._changed} if len(changed) < MOST_KEPT else self._changed
            raise
