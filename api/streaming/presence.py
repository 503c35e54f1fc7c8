"""Which WebSocket connections each web process has, told in Valkey: gone means closed, or the process is."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from typing import Any

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from api.streaming.connections import Connections

logger = logging.getLogger(__name__)

#: How often a process that has connections says so, and after how long its word is forgotten (seconds).
EVERY, FORGOTTEN_AFTER = 2.0, 10
_PREFIX = "dataprovider:websockets:"


class Presence:
    """What this process tells, for as long as it has any connection."""

    def __init__(self, redis_url: str, connections: Connections) -> None:
        self.process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._url = redis_url
        self._connections = connections
        self._task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """A connection was opened. Returns at once."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def said(self) -> dict[str, Any]:
        """What it would tell now: `process`, `connections` by address, `said_at` (ms)."""
        return {
            "process": self.process,
            "connections": self._connections.by_address,
            "said_at": time.time_ns() // 1_000_000,
        }

    async def _run(self) -> None:
        key = f"{_PREFIX}{self.process}"
        redis = AsyncRedis.from_url(self._url, socket_timeout=1.0, socket_connect_timeout=1.0)
        try:
            while len(self._connections):
                try:
                    await redis.set(key, orjson.dumps(self.said()), ex=FORGOTTEN_AFTER)
                except RedisError as error:
                    logger.debug("Connections are not told while Valkey is away: %s", error)
                await asyncio.sleep(EVERY)
            await redis.delete(key)
        except RedisError as error:
            logger.debug("What was told of connections runs out by itself: %s", error)
        finally:
            await redis.aclose()


def read_presences(redis: Redis) -> list[dict[str, Any]]:
    """What every process that has connections told last; raises redis.exceptions.RedisError."""
    keys = sorted(redis.scan_iter(match=f"{_PREFIX}*", count=1000))
    return [orjson.loads(value) for value in (redis.mget(keys) if keys else []) if value is not None]
