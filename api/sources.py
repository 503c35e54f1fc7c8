"""Postgres, ClickHouse and Valkey for answers that say what they can while one of them is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from django.db import Error as DatabaseError
from django.db import connection
from redis import Redis
from redis.exceptions import RedisError

from dataprovider.clickhouse import Address, ClickHouse, ClickHouseError
from dataprovider.config import Config

logger = logging.getLogger(__name__)

T = TypeVar("T")

Source = Literal["postgres", "clickhouse", "redis"]

#: A service that has not answered after so many seconds counts as away.
PATIENCE_SECONDS = 4.0
THREADS = 8


class Sources:
    """One process's connections for such questions, on threads of their own: who hangs here holds up no candles."""

    def __init__(self, config: Config, *, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sources")
        self._clickhouse = ClickHouse(
            Address.of_nodes(config), pool_size=4, connect_timeout=min(2.0, patience), timeout=patience
        )
        self._redis = Redis.from_url(
            config.redis_url or "redis://127.0.0.1:1/0", socket_connect_timeout=1.0, socket_timeout=1.0
        )

    async def clickhouse(self, question: Callable[[ClickHouse], T]) -> T | None:
        """What a function that asks ClickHouse returns; None when ClickHouse does not answer (in time)."""
        return await self._asked("clickhouse", lambda: question(self._clickhouse))

    async def redis(self, question: Callable[[Redis], T]) -> T | None:
        """The same of Valkey."""
        return await self._asked("redis", lambda: question(self._redis))

    async def postgres(self, question: Callable[[], T]) -> T | None:
        """The same of Postgres, for a function that uses Django's models."""

        def asked() -> T:
            try:
                return question()
            finally:
                connection.close()

        return await self._asked("postgres", asked)

    async def run(self, function: Callable[[], T]) -> T:
        """The result of another blocking function, called in one of the threads."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, function)

    async def _asked(self, source: Source, question: Callable[[], T]) -> T | None:
        answer = asyncio.get_running_loop().run_in_executor(self._threads, question)
        try:
            return await asyncio.wait_for(answer, self._patience)
        except (ClickHouseError, DatabaseError, RedisError, OSError, TimeoutError) as error:
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            logger.warning("%s does not answer: %s", source, reason)
            return None


def away(**answers: object) -> list[str]:
    """The names of those whose answer is None, for the field `unavailable`."""
    return [name for name, answer in answers.items() if answer is None]
