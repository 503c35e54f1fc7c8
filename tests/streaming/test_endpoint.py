"""A conversation that fails ends its connection, and says that the client may come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api.streaming.endpoint import TRY_AGAIN_LATER, Last, converse
from api.streaming.outbox import Outbox


class Broken:
    """A conversation with a fault."""

    def __init__(self) -> None:
        self.has_ended = False

    async def take(self, message: str | bytes | None) -> None:
        raise RuntimeError(f"a fault of ours, at {message!r}")

    def end(self) -> None:
        self.has_ended = True


def test_a_conversation_that_fails_is_ended_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    talk = Broken()

    async def conversation() -> Last | None:
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said.put_nowait({"type": "websocket.receive", "text": "hello"})

        async def send(_: object) -> None:
            raise AssertionError("there is nothing to say")

        async def beside(_: Outbox) -> None:
            await asyncio.Event().wait()

        scope = {"client_address": "127.0.0.1"}
        return await asyncio.wait_for(converse(scope, said.get, send, begin=lambda _: talk, beside=beside), 5)

    assert asyncio.run(conversation()) == Last(TRY_AGAIN_LATER)
    assert talk.has_ended
    assert "a fault of ours, at 'hello'" in caplog.text
