"""Work that goes on whatever happens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

#: After a round that failed, the next one begins so much later (seconds).
PAUSE_SECONDS = 1.0


async def always(work: Callable[[], Awaitable[None]]) -> None:
    """Do it again and again; whatever goes wrong in one round, the next one comes."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("Streaming failed and goes on")
            await asyncio.sleep(PAUSE_SECONDS)
