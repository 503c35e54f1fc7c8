"""/ws/stream: one client's connection, from its handshake to its end."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, NamedTuple, Protocol

from api.apps import this_app
from api.security.limits import address_to_count
from api.security.websocket import Receive, Scope, Send
from api.streaming.conversation import Conversation
from api.streaming.outbox import Outbox
from api.streaming.pressure import Pressure
from api.streaming.requests import LARGEST_MESSAGE

logger = logging.getLogger(__name__)

#: Close codes of ours (daphne sends 1000 and 3000-4999 only): what the client did, and that it may come back later.
POLICY_VIOLATION, TRY_AGAIN_LATER = 4008, 4013

#: A client with a key is looked at so often (seconds): a key that was revoked ends its connections.
KEY_SECONDS = 5.0
#: A client that takes nothing for so long loses its connection.
SLOW_SECONDS = 5.0
#: How often it is looked whether a client that is not read is still there.
VANISHED_SECONDS = 1.0
#: While more messages than this wait to be obeyed, no more are read; and how much of each is kept (characters).
MOST_UNREAD, LONGEST_KEPT = 64, LARGEST_MESSAGE + 1
BACKLOG = "it sends faster than it can be obeyed"


class Talk(Protocol):
    """What one client asks for."""

    async def take(self, message: str | bytes | None) -> None:
        """Obey one message; whatever is wrong with it is answered."""

    def end(self) -> None:
        """The client has gone."""


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application of /ws/stream."""
    app = this_app()

    def begin(outbox: Outbox) -> Talk:
        return Conversation(app.hub, outbox, most_subscriptions=app.most_subscriptions)

    async def beat(outbox: Outbox) -> None:
        while True:
            await asyncio.sleep(app.heartbeat_seconds)
            outbox.put_json(type="heartbeat", timestamp=_now_ms(), connections_count=len(app.connections))

    await serve(scope, receive, send, begin=begin, beside=beat, error_text=error_text)


async def serve(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    begin: Callable[[Outbox], Talk],
    beside: Callable[[Outbox], Coroutine[Any, Any, None]],
    error_text: Callable[[str], str],
) -> None:
    """One connection, from its handshake to its end.

    `begin` makes the conversation, `beside` runs as long as it does, and `error_text` writes the last message to a
    client that must go.
    """
    if (await receive())["type"] != "websocket.connect":
        return
    address = address_to_count(scope["client_address"])
    app = this_app()
    # Before the handshake ends: who connects first is the one who may stay.
    if await app.presence.open(address):
        try:
            await send({"type": "websocket.accept"})
            last = await converse(scope, receive, send, begin=begin, beside=beside)
        finally:
            await app.presence.close(address)
    else:
        await send({"type": "websocket.accept"})
        last = Last(POLICY_VIOLATION, f"An address may have {app.connections.most_per_address} connections.")
    if last is not None:
        if last.sentence:
            await send({"type": "websocket.send", "text": error_text(last.sentence)})
        await send({"type": "websocket.close", "code": last.code})


class Last(NamedTuple):
    """What a client is told that must go."""

    code: int
    sentence: str = ""


async def converse(
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    begin: Callable[[Outbox], Talk],
    beside: Callable[[Outbox], Coroutine[Any, Any, None]],
) -> Last | None:
    """All that is said until one side ends it; None when the client does."""
    outbox = Outbox()
    talk = begin(outbox)
    pressure = Pressure(send)
    unread: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    work = [
        asyncio.create_task(_listen(unread, pressure, talk)),
        asyncio.create_task(_write(outbox, pressure, send)),
        asyncio.create_task(beside(outbox)),
        asyncio.create_task(_overflow(outbox)),
        asyncio.create_task(_vanished(pressure)),
        asyncio.create_task(_revoked(scope.get("key_is_good"))),
    ]
    reader = asyncio.create_task(_read(receive, unread, pressure))
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is not None:
                logger.error("A connection failed", exc_info=task.exception())
    finally:
        for task in (*work, reader):
            task.cancel()
        await asyncio.gather(*work, reader, return_exceptions=True)
        talk.end()
        pressure.release()
    if outbox.overflown.is_set():
        name = scope["client_address"][:60]
        logger.warning("%s did not read what it had subscribed to: its connection is closed", name)
        return Last(POLICY_VIOLATION, "You read too slowly: the connection is closed.")
    if work[-1] in done:
        return Last(POLICY_VIOLATION, "The API key was revoked: the connection is closed.")
    listened, *_ = work
    return None if listened in done and listened.exception() is None else Last(TRY_AGAIN_LATER)


async def _read(receive: Receive, unread: asyncio.Queue[MutableMapping[str, Any]], pressure: Pressure) -> None:
    """Take messages from daphne, whose own queue has no end."""
    while (message := await receive())["type"] != "websocket.disconnect":
        # Longer ones are refused: their beginning is enough for that.
        unread.put_nowait({kind: part[:LONGEST_KEPT] for kind in ("text", "bytes") if (part := message.get(kind))})
        if unread.qsize() >= MOST_UNREAD:
            pressure.hold(BACKLOG)
    unread.put_nowait(message)


async def _listen(unread: asyncio.Queue[MutableMapping[str, Any]], pressure: Pressure, talk: Talk) -> None:
    while "type" not in (message := await unread.get()):
        await talk.take(message.get("text", message.get("bytes", b"")))
        if unread.qsize() < MOST_UNREAD:
            pressure.let_go(BACKLOG)


async def _vanished(pressure: Pressure) -> None:
    """Of a client that is not read nobody hears that it went away."""
    while not pressure.is_alone:  # noqa: ASYNC110 - nothing says it by itself
        await asyncio.sleep(VANISHED_SECONDS)


async def _write(outbox: Outbox, pressure: Pressure, send: Send) -> None:
    while True:
        # A timeout costs a tenth of what a frame does: only where there is something to wait for.
        if not pressure.is_relieved:
            try:
                async with asyncio.timeout(SLOW_SECONDS):
                    await pressure.relieved()
            except TimeoutError:
                outbox.overflown.set()
                return
        await send({"type": "websocket.send", "text": await outbox.next()})


async def _overflow(outbox: Outbox) -> None:
    await outbox.overflown.wait()


async def _revoked(key_is_good: Callable[[], Awaitable[bool]] | None) -> None:
    if key_is_good is None:
        await asyncio.Event().wait()
        return
    while True:
        await asyncio.sleep(KEY_SECONDS)
        if not await key_is_good():
            return


def error_text(sentence: str) -> str:
    """The protocol's error for what has nothing to do with a message."""
    return json.dumps({"type": "error", "error_code": "CONNECTION_ERROR", "message": sentence, "details": None})


def _now_ms() -> int:
    return int(time.time() * 1000)
