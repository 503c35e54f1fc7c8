"""What waits for one client: a bounded queue, so that a client which does not read costs itself its connection."""

from __future__ import annotations

import asyncio
import json
from typing import Any

#: Frames that may wait for a client.
MOST_WAITING = 1000
#: While more than so many wait, no history is added to them.
ROOM = 16


class Outbox:
    """Frames on their way to one client; `overflown` is set when there are too many."""

    def __init__(self, size: int = MOST_WAITING) -> None:
        self._frames: asyncio.Queue[str] = asyncio.Queue(size)
        self.overflown = asyncio.Event()
        self._taken = asyncio.Event()

    def put(self, frame: str) -> None:
        """Queue a frame that is serialised already; never waits."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.overflown.set()

    def put_json(self, **frame: Any) -> None:
        """Queue a frame of plain values."""
        self.put(json.dumps(frame, ensure_ascii=False, separators=(",", ":")))

    async def has_room(self) -> None:
        """Wait until the client has read most of what it was sent: history may be long."""
        while self._frames.qsize() > ROOM:
            self._taken.clear()
            await self._taken.wait()

    async def next(self) -> str:
        """The next frame to send."""
        frame = await self._frames.get()
        self._taken.set()
        return frame
