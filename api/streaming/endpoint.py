"""/ws/stream: one client's connection, from its handshake to its end."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from api.apps import this_app
from api.security.limits import address_to_count
from api.security.websocket import Receive, Scope, Send
from api.streaming.conversation import Conversation
from api.streaming.outbox import Outbox
from api.streaming.pressure import Pressure

logger = logging.getLogger(__name__)

#: Close codes of ours (daphne sends 1000 and 3000-4999 only): what the client did, and that it may come back later.
POLICY_VIOLATION, TRY_AGAIN_LATER = 4008, 4013


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if (await receive())["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept"})
    address = address_to_count(scope["client_address"])
    app = this_app()
    outbox = Outbox()
    if not app.connections.open(address):
        most = app.connections.most_per_address
        outbox.put_json(**error_frame("CONNECTION_ERROR", f"An address may have {most} connections."))
        await send({"type": "websocket.send", "text": await outbox.next()})
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    conversation = Conversation(app.hub, outbox, most_subscriptions=app.most_subscriptions)
    pressure = Pressure(send)
    work = [
        asyncio.create_task(_listen(receive, conversation)),
        asyncio.create_task(_write(outbox, pressure, send)),
        asyncio.create_task(_beat(outbox, app.heartbeat_seconds)),
        asyncio.create_task(_overflow(outbox)),
    ]
    try:
        done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if task.exception() is not None:
                logger.error("A connection failed", exc_info=task.exception())
    finally:
        app.connections.close(address)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        conversation.end()
        pressure.release()
    if outbox.overflown.is_set():
        name = scope["client_address"][:60]
        logger.warning("%s did not read what it had subscribed to: its connection is closed", name)
        frame = error_frame("CONNECTION_ERROR", "You read too slowly: the connection is closed.")
        outbox = Outbox()
        outbox.put_json(**frame)
        await send({"type": "websocket.send", "text": await outbox.next()})
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
    elif work[0] not in done:
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})


async def _listen(receive: Receive, conversation: Conversation) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        await conversation.take(message.get("text"))


async def _write(outbox: Outbox, pressure: Pressure, send: Send) -> None:
    while True:
        await pressure.relieved()
        await send({"type": "websocket.send", "text": await outbox.next()})


async def _overflow(outbox: Outbox) -> None:
    await outbox.overflown.wait()


async def _beat(outbox: Outbox, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        outbox.put_json(type="heartbeat", timestamp=_now_ms(), connections_count=len(this_app().connections))


def error_frame(code: str, message: str) -> dict[str, Any]:
    """An error as the protocol has it."""
    return {"type": "error", "error_code": code, "message": message, "details": None}


def _now_ms() -> int:
    return int(time.time() * 1000)
