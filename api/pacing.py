"""What daphne lacks for long answers: it waits for a slow client, and an answer that fails in the middle breaks off.

Without it daphne takes every piece at once into its own memory, and ends a failed answer as if it were whole.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger(__name__)

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[..., Awaitable[None]]

#: A client that has taken nothing of a piece (64 KB, as Django cuts them) for so long is given up.
STALLED_SECONDS = 60.0


class BrokenOff(Exception):
    """The client took nothing for too long."""


class _Flow:
    """A push producer of twisted's, told when its buffer is full and when it is empty again."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    def pauseProducing(self) -> None:  # noqa: N802
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802
        """The client is gone; the application is cancelled for that."""

    async def wait(self) -> None:
        try:
            # Not wait_for, which in Python 3.11 swallows a cancellation that comes together with the event.
            async with asyncio.timeout(STALLED_SECONDS):
                await self._open.wait()
        except TimeoutError:
            raise BrokenOff(f"The client took nothing for {STALLED_SECONDS:g} s.") from None


def paced(application: Application) -> Application:
    """The HTTP application, its long answers sent as fast as the client reads.

    Only daphne's connections are touched; other servers do this themselves.
    """

    async def answering(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        bound = getattr(send, "args", ())
        # daphne binds its connection's request (one of twisted's) to what it gives us.
        request: Any = bound[0] if bound and hasattr(bound[0], "registerProducer") else None
        if request is None:
            await application(scope, receive, send)
            return
        flow: _Flow | None = None
        begun = False

        async def send_paced(message: Message) -> None:
            nonlocal flow, begun
            begun = True
            more = bool(message.get("more_body"))
            if more and flow is None and request.channel is not None:
                flow = _Flow()
                request.registerProducer(flow, streaming=True)
            if not more and flow is not None and message["type"] == "http.response.body":
                request.unregisterProducer()
                flow = None
            await send(message)
            if flow is not None:
                await flow.wait()

        try:
            await application(scope, receive, send_paced)
        except Exception as error:
            # Of what has not begun daphne makes an answer that says so.
            if not begun:
                raise
            logger.warning("%s broke off: %s", scope["path"], error)
            _break_off(request)
        finally:
            if flow is not None and request.channel is not None:
                request.unregisterProducer()

    return answering


def _break_off(request: Any) -> None:
    """End the connection without an end of the answer, so that the client sees that it is not whole."""
    if request.channel is not None:
        request.channel.forceAbortClient()
