"""Listening to channels of Valkey, through its restarts and its silences."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from collectors.backoff import Backoff

logger = logging.getLogger(__name__)

#: A connection to Valkey that said nothing for so long is asked whether it lives (seconds).
SILENCE_SECONDS = 5.0


class Listener:
    """One connection that listens. `take` gets each message; `began` is called whenever it begins to listen."""

    def __init__(
        self, redis_url: str, channels: Iterable[str], take: Callable[[bytes], None], began: Callable[[], None]
    ) -> None:
        self._redis_url = redis_url
        self._channels = set(channels)
        self._take = take
        self._began = began
        self._connection: Any = None
        self._backoff = Backoff(first=0.2, most=5.0)

    async def listen(self) -> None:
        """Connect and listen until the connection breaks, then wait a moment: to be called again and again."""
        # Without retries of its own: what was missed while away must be noticed here.
        redis = Redis.from_url(self._redis_url, retry=Retry(NoBackoff(), 0), socket_connect_timeout=3.0)
        try:
            async with redis.pubsub(ignore_subscribe_messages=False) as connection:
                await connection.subscribe(*self._channels)
                self._connection = connection
                self._began()
                await self._take_messages(connection)
        except (RedisError, OSError) as error:
            logger.warning("Valkey cannot be listened to: %s", str(error).partition("\n")[0])
        finally:
            self._connection = None
            await redis.aclose()
        await asyncio.sleep(self._backoff.next_delay())

    async def add(self, channel: str) -> None:
        """Listen to one more channel."""
        self._channels.add(channel)
        await self._say("subscribe", channel)

    async def remove(self, channel: str) -> None:
        """Listen to one channel less."""
        self._channels.discard(channel)
        await self._say("unsubscribe", channel)

    async def _say(self, verb: str, channel: str) -> None:
        if self._connection is not None:
            try:
                await getattr(self._connection, verb)(channel)
            except (RedisError, OSError):
                # Whoever listens notices it too, and connects again with the channels of then.
                return

    async def _take_messages(self, connection: Any) -> None:
        asked = False
        while True:
            message = await connection.get_message(timeout=SILENCE_SECONDS)
            if message is None:
                if asked:
                    raise OSError("no answer to a ping")
                await connection.ping()
                asked = True
                continue
            asked = False
            if message["type"] == "message":
                self._backoff.reset()
                self._take(message["data"])
