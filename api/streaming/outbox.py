"""What waits for one client: a bounded queue, so that a client which does not read costs itself its connection."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

#: Frames that may wait for a client.
MOST_WAITING = 1000
#: While more than so many wait, no history is added to them.
ROOM = 16


@dataclass(slots=True)
class Waiting:
    """A frame in the queue: until it is sent its text may be replaced by what is newer."""

    text: str
    sent: bool = False


class Outbox:
    """Frames on their way to one client; `overflown` is set when there are too many."""

    def __init__(self, size: int = MOST_WAITING) -> None:
        self._frames: asyncio.Queue[Waiting] = asyncio.Queue(size)
        self.overflown = asyncio.Event()
        self._taken = asyncio.Event()

    def put(self, frame: str) -> Waiting:
        """Queue a frame that is serialised already; never waits."""
        waiting = Waiting(frame)
        try:
            self._frames.put_nowait(waiting)
        except asyncio.QueueFull:
            self.overflown.set()
        return waiting

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
        waiting = await self._frames.get()
        waiting.sent = True
        self._taken.set()
        return waiting.text
