"""What one client asks for, one message after another, and what it is answered."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from django.db import Error as DatabaseError

from api.binance.intervals import Interval
from api.failures import UnknownSymbol
from api.parameters import normal_symbol
from api.streaming.chart import Chart, Shown
from api.streaming.hub import Hub
from api.streaming.known import Known
from api.streaming.outbox import Outbox
from api.streaming.requests import Ping, RequestError, Subscribe, Unsubscribe, Wanted, read_request
from api.streaming.subscription import NativeSubscription, Subscription
from dataprovider.clickhouse import ClickHouseError

logger = logging.getLogger(__name__)

#: Symbols of one message that are subscribed to side by side.
AT_ONCE = 6


class Conversation:
    """One client's subscriptions."""

    def __init__(self, hub: Hub, outbox: Outbox, *, most_subscriptions: int) -> None:
        self._hub = hub
        self._most = most_subscriptions
        self._outbox = outbox
        self._subscriptions: dict[tuple[str, int], Subscription] = {}
        self._beginning = 0

    async def take(self, message: str | bytes | None) -> None:
        """Obey one message; whatever is wrong with it is answered."""
        try:
            request = read_request(message)
        except RequestError as error:
            self._outbox.put_json(type="error", error_code=error.code, message=str(error), details=None)
            return
        if isinstance(request, Ping):
            now = int(time.time() * 1000)
            self._outbox.put_json(type="pong", timestamp=now, client_timestamp=request.timestamp)
        elif isinstance(request, Subscribe):
            await self._subscribe(request.wanted)
        else:
            self._unsubscribe(request)

    def end(self) -> None:
        """The client has gone."""
        while self._subscriptions:
            self._hub.unsubscribe(self._subscriptions.popitem()[1])

    async def _subscribe(self, wanted: list[Wanted]) -> None:
        """Several symbols at once, the charts of each one after another."""
        turns = asyncio.Semaphore(AT_ONCE)
        reasons: dict[int, str | None] = {}

        async def subscribe(symbol: str) -> None:
            async with turns:
                for number in by_symbol[symbol]:
                    reasons[number] = await self._failure(wanted[number])

        by_symbol: dict[str, list[int]] = {}
        for number, each in enumerate(wanted):
            by_symbol.setdefault(normal_symbol(each.symbol), []).append(number)
        async with asyncio.TaskGroup() as group:
            for symbol in by_symbol:
                group.create_task(subscribe(symbol))
        successful: list[dict[str, object]] = []
        failed: list[dict[str, object]] = []
        for number, each in enumerate(wanted):
            named: dict[str, object] = {"symbol": normal_symbol(each.symbol), "timeframe": f"{each.timeframe}m"}
            if reasons[number] is None:
                successful.append(named)
            else:
                failed.append({**named, "reason": reasons[number]})
        self._outbox.put_json(
            type="subscription_result",
            successful_subscriptions=successful,
            failed_subscriptions=failed,
            message=f"{len(successful)} subscribed, {len(failed)} failed",
        )

    async def _failure(self, wanted: Wanted) -> str | None:
        """Subscribe to one chart; why not, when it cannot be."""
        key = normal_symbol(wanted.symbol), wanted.timeframe
        if key in self._subscriptions:
            return "subscribed already"
        if len(self._subscriptions) + self._beginning >= self._most:
            return f"a connection may have {self._most} subscriptions"

        def begin(chart: Chart, since: int, candles: Sequence[Shown], known: Known | None) -> NativeSubscription:
            subscription = NativeSubscription(chart, self._outbox, since)
            subscription.history(wanted.initial_candles, candles, known)
            return subscription

        self._beginning += 1
        try:
            await self._outbox.has_room()
            interval = Interval(wanted.timeframe)
            self._subscriptions[key] = await self._hub.subscribe(key[0], interval, wanted.initial_candles, begin)
        except UnknownSymbol as error:
            return str(error)
        except (ClickHouseError, DatabaseError) as error:
            logger.warning("%s %sm cannot be subscribed to: %s", *key, str(error).strip().partition("\n")[0])
            return "The trade store does not answer now; try again in a moment."
        finally:
            self._beginning -= 1
        return None

    def _unsubscribe(self, request: Unsubscribe) -> None:
        gone: list[dict[str, object]] = []
        unknown: list[dict[str, object]] = []
        for each in request.unwanted:
            key = normal_symbol(each.symbol), each.timeframe
            named: dict[str, object] = {"symbol": key[0], "timeframe": f"{each.timeframe}m"}
            subscription = self._subscriptions.pop(key, None)
            if subscription is None:
                unknown.append({**named, "reason": "not subscribed"})
            else:
                self._hub.unsubscribe(subscription)
                gone.append(named)
        self._outbox.put_json(
            type="unsubscription_result",
            successful_unsubscriptions=gone,
            failed_unsubscriptions=unknown,
            message=f"{len(gone)} unsubscribed, {len(unknown)} failed",
        )
