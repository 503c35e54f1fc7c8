"""Waiting until a client has read what was sent: daphne takes every frame at once and keeps it in memory."""

from __future__ import annotations

import asyncio
from typing import Any


class Pressure:
    """A Twisted producer that knows whether the socket takes more.

    `send` is what the server gave the application; when it is not daphne's there is never any pressure.
    """

    def __init__(self, send: Any) -> None:
        self._open = asyncio.Event()
        self._open.set()
        protocol: Any = next(iter(getattr(send, "args", ())), None)
        self._transport = getattr(protocol, "transport", None)
        if self._transport is not None:
            # What breaks the protocol of WebSocket gets a close code; daphne's way is to hang up.
            protocol.failByDrop = False
            # The producer of the HTTP request that the connection began as has nothing more to produce.
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, streaming=True)

    async def relieved(self) -> None:
        """Wait until the socket takes more."""
        await self._open.wait()

    def release(self) -> None:
        """Before closing: a transport with a producer stays open."""
        if self._transport is not None:
            self._transport.unregisterProducer()
            self._transport = None

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._open.set()
