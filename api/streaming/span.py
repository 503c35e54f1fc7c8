"""When everything stored begins and ends, asked at most once a second however many charts begin at once."""

from __future__ import annotations

import asyncio
import time

from api.store import Store

#: How long an answer is good for (seconds): history may come in meanwhile, which the next reading sees.
GOOD_FOR = 1.0


class StoredSpan:
    """The times of the oldest and of the newest stored trade, all symbols together."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._span = 0, 0
        self._good_until = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> tuple[int, int]:
        """Oldest, newest (ms; 0 when there is none). Raises what Store.span raises."""
        async with self._lock:
            if time.monotonic() >= self._good_until:
                self._span = await self._store.span()
                self._good_until = time.monotonic() + GOOD_FOR
            return self._span
