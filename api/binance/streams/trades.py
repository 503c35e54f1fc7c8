"""Aggregated trades of a process's clients: listened to only while somebody asks for them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

import orjson

from api.binance.contracts import Digits
from api.binance.streams.events import trade_event
from api.streaming.always import always
from api.streaming.listener import Listener
from collectors.publisher import TRADES_PATTERN, trade_channel

#: So many of a symbol's newest ids are remembered: what two connections of a worker brought is sent once.
REMEMBERED = 4096

Deliver = Callable[[str], None]


class _Watched:
    """A symbol that somebody asks for, and who."""

    def __init__(self, digits: Digits) -> None:
        self.digits = digits
        self.clients: list[Deliver] = []
        self.sent: set[int] = set()
        self.order: deque[int] = deque()

    def is_new(self, aggregate_id: int) -> bool:
        if aggregate_id in self.sent:
            return False
        self.sent.add(aggregate_id)
        self.order.append(aggregate_id)
        if len(self.order) > REMEMBERED:
            self.sent.discard(self.order.popleft())
        return True


class Trades:
    """Who gets which symbol's trades. All of it runs in one event loop; the first client starts it."""

    def __init__(self, redis_url: str) -> None:
        self._watched: dict[str, _Watched] = {}
        # Listening needs something to listen to; nobody publishes there.
        self._listener = Listener(redis_url, [TRADES_PATTERN], self._take, lambda: None)
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def subscribe(self, symbol: str, digits: Digits, deliver: Deliver) -> None:
        """`deliver` gets every event of this symbol from now on; workers begin within a second."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(always(self._listener.listen))
        watched = self._watched.get(symbol)
        if watched is None:
            watched = self._watched[symbol] = _Watched(digits)
            watched.clients.append(deliver)
            await self._listener.add(trade_channel(symbol))
        else:
            watched.clients.append(deliver)

    def unsubscribe(self, symbol: str, deliver: Deliver) -> None:
        """Nothing more comes; without any client workers stop sending."""
        watched = self._watched[symbol]
        watched.clients.remove(deliver)
        if not watched.clients:
            del self._watched[symbol]
            task = asyncio.get_running_loop().create_task(self._listener.remove(trade_channel(symbol)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    def _take(self, data: bytes) -> None:
        message = orjson.loads(data)
        watched = self._watched.get(message["s"])
        if watched is None:
            return
        for trade in message["t"]:
            if watched.is_new(trade[0]):
                text = trade_event(message["s"], watched.digits, trade)
                for deliver in list(watched.clients):
                    deliver(text)
