"""Trades as a worker passes them on: folded into minutes and published, and stored unless told otherwise."""

from __future__ import annotations

import json

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from collectors.live import LiveMinutes, MinuteBar
from collectors.publisher import bar_message, minute_channel, trade_channel, trade_message
from collectors.trade import Trade
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from tests.clickhouse.trades import NEW_YEAR, Row, store


def row(aggregate_id: int, ms: int, price: int = 100, symbol: str = "BTCUSDT") -> Row:
    """A trade of 1 coin at `price` coins, `ms` after New Year; odd ids are bought."""
    at = NEW_YEAR + ms
    return Row(aggregate_id, at, price * 10**8, 10**8, aggregate_id, aggregate_id, 1 - aggregate_id % 2, symbol)


class Market:
    """One worker's symbols. Trades may come in any order, as from the stream."""

    def __init__(self, clickhouse: ClickHouse, url: str | None = None) -> None:
        self._clickhouse = clickhouse
        self._redis = Redis.from_url(url or settings.CONFIG.redis_url)
        self._minutes: dict[str, LiveMinutes] = {}
        self._changed: dict[tuple[str, int], MinuteBar] = {}
        self.exchange_ms = NEW_YEAR

    def trade(self, each: Row, *, stored: bool = True, published: bool = True) -> None:
        """A trade is seen. Not `published`: Valkey does not take what changed, and it is not sent later."""
        if stored:
            store(self._clickhouse, [each])
        self.exchange_ms = max(self.exchange_ms, each.time)
        minutes = self._minutes.setdefault(each.symbol, LiveMinutes(self._note))
        trade = Trade(
            each.symbol, each.aggregate_id, each.price, each.quantity, each.first, each.last, each.time,
            bool(each.maker), each.time,
        )  # fmt: skip
        minutes.add(trade)
        if published:
            self.publish()
            self._redis.publish(trade_channel(each.symbol), trade_message(each.symbol, [trade]))
        else:
            self._changed.clear()

    def publish(self) -> int:
        """Send what changed; how many were listening."""
        changed, self._changed = self._changed, {}
        heard = 0
        for bar in changed.values():
            message = json.dumps([bar_message(bar, self.exchange_ms)])
            heard += int(self._redis.publish(minute_channel(shard_of(bar.symbol)), message))
        return heard

    def is_heard(self, channel: str = minute_channel(0)) -> bool:
        """Whether Valkey answers and somebody listens to this channel."""
        try:
            return bool(self._redis.pubsub_numsub(channel)[0][1])
        except RedisError:
            return False

    def restart(self) -> None:
        """Another worker takes over: it has seen nothing yet."""
        self._minutes.clear()

    def close(self) -> None:
        self._redis.close()

    def _note(self, bar: MinuteBar) -> None:
        self._changed[bar.symbol, bar.minute] = bar
