"""The bridge between coroutines and blocking calls: bounded, and free again after an error."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from api.store import Store
from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable


def test_calls_run_side_by_side_up_to_the_number_of_threads(migrated_clickhouse: ClickHouse) -> None:
    store = Store(lambda size: migrated_clickhouse, threads=4, waiting=8)
    together = threading.Barrier(4, timeout=5)

    async def all_at_once() -> None:
        await asyncio.gather(*(store.run(together.wait) for _ in range(4)))

    asyncio.run(all_at_once())


def test_the_event_loop_goes_on_while_clickhouse_works(migrated_clickhouse: ClickHouse) -> None:
    store = Store(lambda size: migrated_clickhouse, threads=2)

    async def longest_pause() -> float:
        slow = asyncio.ensure_future(store.run(lambda: migrated_clickhouse.run_text("SELECT sleep(0.5)")))
        longest, last = 0.0, time.monotonic()
        while not slow.done():
            await asyncio.sleep(0.01)
            longest, last = max(longest, time.monotonic() - last), time.monotonic()
        return longest

    assert asyncio.run(longest_pause()) < 0.25


def test_a_call_beyond_the_queue_is_refused_at_once_and_later_ones_are_served(migrated_clickhouse: ClickHouse) -> None:
    store = Store(lambda size: migrated_clickhouse, threads=1, waiting=1)
    go_on = threading.Event()

    async def crowd() -> None:
        first = [asyncio.ensure_future(store.run(go_on.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ClickHouseUnavailable, match="waiting"):
            await store.run(go_on.wait)
        go_on.set()
        await asyncio.gather(*first)
        assert await store.query("total_rows")
        with pytest.raises(ZeroDivisionError):
            await store.run(lambda: 1 // 0)
        assert await store.query("total_rows")

    asyncio.run(crowd())
