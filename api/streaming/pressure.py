"""Waiting until a client has read what was sent, and reading no more of it than is obeyed: daphne takes every frame at
once, either way, and keeps it in memory."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from twisted.internet.tcp import Connection

from api.streaming.prompt import PromptWriting

#: The first byte of Linux's struct tcp_info (linux/tcp.h) is the state; whatever the client ended leaves this one.
_ESTABLISHED = 1


class Pressure:
    """A Twisted producer that knows whether the socket takes more.

    `send` is what the server gave the application; when it is not daphne's there is never any pressure.
    """

    def __init__(self, send: Any) -> None:
        self._open = asyncio.Event()
        self._open.set()
        #: Why nothing is read of the client now.
        self._holding: set[str] = set()
        protocol: Any = next(iter(getattr(send, "args", ())), None)
        self._transport = getattr(protocol, "transport", None)
        self._prompt: PromptWriting | None = None
        if self._transport is not None:
            # What breaks the protocol of WebSocket gets a close code; daphne's way is to hang up.
            protocol.failByDrop = False
            # The producer of the HTTP request that the connection began as has nothing more to produce.
            self._transport.unregisterProducer()
            self._transport.registerProducer(self, streaming=True)
            if isinstance(self._transport, Connection):
                self._prompt = PromptWriting(self._transport)

    @property
    def is_relieved(self) -> bool:
        """Whether the socket takes more now."""
        return self._open.is_set()

    async def relieved(self) -> None:
        """Wait until the socket takes more."""
        await self._open.wait()

    def hold(self, reason: str) -> None:
        """Read nothing more of the client, until `let_go` of the same reason."""
        self._holding.add(reason)
        if self._transport is not None:
            self._transport.pauseProducing()

    def let_go(self, reason: str) -> None:
        """The contrary of `hold`."""
        if reason in self._holding:
            self._holding.remove(reason)
            if self._transport is not None and not self._holding:
                self._transport.resumeProducing()

    @property
    def is_alone(self) -> bool:
        """Whether the client went away while nothing is read of it; other ends daphne says itself."""
        connected = getattr(self._transport, "socket", None)
        if not self._holding or connected is None or not hasattr(socket, "TCP_INFO"):
            return False
        try:
            state: int = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        except OSError:
            return True
        return state != _ESTABLISHED

    def release(self) -> None:
        """Before closing: a transport with a producer stays open, and one that is not read never hears of its end."""
        for reason in list(self._holding):
            self.let_go(reason)
        if self._transport is not None:
            self._transport.unregisterProducer()
            self._transport = None
        if self._prompt is not None:
            self._prompt.undo()
            self._prompt = None

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._open.clear()
        # Its pings, too, are answered into what it does not read.
        self.hold("it does not read")

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._open.set()
        self.let_go("it does not read")

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        self._open.set()
