"""Which WebSocket connections each web process has, told in Valkey: gone means closed, or the process is.

From that comes how many an address has with all of them, which is what WEBSOCKET_CONNECTIONS_PER_IP bounds.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from importlib.resources import files
from typing import Any

import orjson
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as BlockingRetry

from api.security.limits import LEFT_ALONE_SECONDS, PATIENCE_SECONDS
from api.streaming.connections import Connections

logger = logging.getLogger(__name__)

#: How often a process that has connections says so, and after how long its word is forgotten (seconds): so long the
#: clients of a process that was killed are still counted.
EVERY, FORGOTTEN_AFTER = 1.0, 5
#: A client that connects waits at most so long for the others' word (seconds); daphne gives up after 5.
HANDSHAKE_SECONDS = 1.0
_PREFIX = "dataprovider:websockets:"
_OF_ADDRESS = "dataprovider:websockets-of:"
_ANY_NUMBER = 2**31


class Presence:
    """What this process tells, for as long as it has any connection."""

    def __init__(self, redis_url: str, connections: Connections) -> None:
        self.process = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
        self._connections = connections
        self._redis_url = redis_url
        #: Addresses of which this process has told that they have connections here.
        self._told: set[str] = set()
        self._redis = AsyncRedis.from_url(
            redis_url,
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = self._redis.register_script(
            (files("api.streaming") / "presence.lua").read_text(encoding="utf-8")
        )
        self._turn = asyncio.Lock()
        self._ask_again_at = 0.0
        self._task: asyncio.Task[None] | None = None

    async def open(self, address: str) -> bool:
        """Count one more connection; False, and not counted, when the address has as many as it may with all processes.

        While Valkey does not answer those with this one are all that count. Never raises.
        """
        if not self._connections.open(address):
            return False
        try:
            is_within = await self._is_within(address)
        except BaseException:
            self._connections.close(address)
            raise
        if not is_within:
            self._connections.close(address)
            return False
        if self._task is None:
            # Only here is it sure that daphne has installed its own.
            from twisted.internet import reactor as installed

            # Twisted's type of it says less than it can.
            reactor: Any = installed
            # daphne does not wait for what its connections have to say when it is stopped.
            reactor.addSystemEventTrigger("after", "shutdown", self._take_leave)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        return True

    async def _is_within(self, address: str) -> bool:
        """Whether an address has no more connections than it may have with all processes, as far as there is time."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                return await self._tell_of(address, self._connections.most_per_address)
        except TimeoutError:
            return True

    async def close(self, address: str) -> None:
        """One less. Never raises."""
        self._connections.close(address)
        await self._tell_of(address, _ANY_NUMBER)

    def said(self) -> dict[str, Any]:
        """What it would tell now: `process`, `connections` by address, `said_at` (ms)."""
        return {
            "process": self.process,
            "connections": self._connections.by_address,
            "said_at": time.time_ns() // 1_000_000,
        }

    async def _tell_of(self, address: str, most: int) -> bool:
        """Tell how many connections the address has here; False, and not told, when those with all are above `most`."""
        # In turns: what is told last is how things stand.
        async with self._turn:
            if time.monotonic() < self._ask_again_at:
                self._told.discard(address)
                return True
            own = self._connections.by_address.get(address, 0)
            try:
                answer = await self._script(
                    keys=[f"{_OF_ADDRESS}{address}"], args=[self.process, own, most, FORGOTTEN_AFTER]
                )
            except RedisError as error:
                logger.debug("Connections are counted for this process alone while Valkey is away: %s", error)
                self._ask_again_at = time.monotonic() + LEFT_ALONE_SECONDS
                self._told.discard(address)
                return True
            if own and answer:
                self._told.add(address)
            elif not own:
                self._told.discard(address)
        return bool(answer)

    def _take_leave(self) -> None:
        """Say that this process has no connections any more: its clients come back to others at once."""
        redis = Redis.from_url(
            self._redis_url,
            socket_timeout=PATIENCE_SECONDS,
            socket_connect_timeout=PATIENCE_SECONDS,
            retry=BlockingRetry(NoBackoff(), 0),
        )
        try:
            with redis.pipeline(transaction=False) as leave:
                leave.delete(f"{_PREFIX}{self.process}")
                for address in self._told:
                    leave.hdel(f"{_OF_ADDRESS}{address}", self.process)
                leave.execute()
        except RedisError as error:
            logger.debug("What was told of connections runs out by itself: %s", error)
        finally:
            redis.close()

    async def _run(self) -> None:
        key = f"{_PREFIX}{self.process}"
        try:
            while len(self._connections):
                try:
                    await self._redis.set(key, orjson.dumps(self.said()), ex=FORGOTTEN_AFTER)
                except RedisError as error:
                    logger.debug("Connections are not told while Valkey is away: %s", error)
                for address in self._connections.by_address:
                    await self._tell_of(address, _ANY_NUMBER)
                await asyncio.sleep(EVERY)
            await self._redis.delete(key)
        except RedisError as error:
            logger.debug("What was told of connections runs out by itself: %s", error)


def read_presences(redis: Redis) -> list[dict[str, Any]]:
    """What every process that has connections told last; raises redis.exceptions.RedisError."""
    keys = sorted(redis.scan_iter(match=f"{_PREFIX}*", count=1000))
    return [orjson.loads(value) for value in (redis.mget(keys) if keys else []) if value is not None]
