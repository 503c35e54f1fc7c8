"""Blocking calls, awaited: a bounded pool of threads between the event loop and ClickHouse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable

T = TypeVar("T")

Rows = list[tuple[Any, ...]]

#: Calls that run at once in one process; each has its own connection to ClickHouse.
THREADS = 8
#: Calls that may wait for a thread; beyond it a request is told to come back rather than made to wait.
MAX_WAITING = 512


class Store:
    """ClickHouse (and Postgres) for coroutines.

    Django's own bridge would put every call of a request into one thread after another; here slow queries run side by
    side, at most THREADS at once. `connect` makes the client for so many threads.
    """

    def __init__(
        self, connect: Callable[[int], ClickHouse], *, threads: int = THREADS, waiting: int = MAX_WAITING
    ) -> None:
        self._clickhouse = connect(threads)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="store")
        self._limit = threads + waiting
        self._under_way = 0

    async def query(self, name: str, **params: Any) -> Rows:
        """The rows of a named query; raises what ClickHouse.query raises."""
        return await self.run(lambda: self._clickhouse.query(name, **params))

    async def span(self) -> tuple[int, int]:
        """When the stored trades begin and end (ms; 0 when there is none); raises what ClickHouse.span raises."""
        return await self.run(self._clickhouse.span)

    async def ask(self, question: Callable[[ClickHouse], T]) -> T:
        """The answer of a function that asks ClickHouse several things; raises what it raises."""
        return await self.run(lambda: question(self._clickhouse))

    async def ask_postgres(self, question: Callable[[], T]) -> T:
        """The answer of a function that uses Django's models; raises what it raises."""

        def asked() -> T:
            close_old_connections()
            try:
                return question()
            finally:
                close_old_connections()

        return await self.run(asked)

    async def run(self, function: Callable[[], T]) -> T:
        """The result of a blocking function, called in one of the threads.

        Raises ClickHouseUnavailable at once when too many calls are waiting already.
        """
        if self._under_way >= self._limit:
            raise ClickHouseUnavailable("Too many queries are waiting already.")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function)
        finally:
            self._under_way -= 1
