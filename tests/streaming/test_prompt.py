"""What is written promptly comes whole and in order, and who is slow is waited for as ever. Real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure

from api.streaming.prompt import PromptWriting


class Scene:
    """A connection that writes promptly, its reactor, and the socket at its other end."""

    def __init__(self) -> None:
        self.reactor = cast(Any, AsyncioSelectorReactor(asyncio.get_running_loop()))
        here, self.there = socket.socketpair()
        for each in (here, self.there):
            each.settimeout(0)
        self.ends: list[object] = []
        protocol = cast(Any, Protocol())
        protocol.connectionLost = self.ends.append
        self.connection = cast(Any, Connection(here, protocol, self.reactor))
        self.connection.connected = 1
        protocol.makeConnection(self.connection)
        #: How often it tried to write.
        self.tries = 0
        self._write = self.connection.doWrite
        self.connection.doWrite = self._try
        self.prompt = PromptWriting(self.connection)

    def _try(self) -> object:
        self.tries += 1
        result: object = self._write()
        return result

    async def received(self, count: int) -> bytes:
        """So many bytes, or all until the end."""
        found = b""
        while len(found) < count:
            part = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.there, 50_000), 10)
            if not part:
                break
            found += part
        return found


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def played() -> None:
        scene, failures = Scene(), []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        try:
            await scenario(scene)
        finally:
            scene.there.close()
            # Twisted has closed it, and let go of it, where the connection has ended.
            if scene.connection.connected:
                scene.connection.socket.close()
        assert not failures

    asyncio.run(played())


def test_what_is_written_together_goes_out_at_the_next_turn_and_nobody_waits() -> None:
    async def scenario(scene: Scene) -> None:
        for part in (b"one", b"two", b"three"):
            scene.connection.write(part)
        with pytest.raises(BlockingIOError):
            scene.there.recv(100)
        await asyncio.sleep(0)
        assert scene.there.recv(100) == b"onetwothree"
        assert (scene.reactor.getWriters(), scene.tries) == ([], 1)

    play(scenario)


def test_what_the_socket_does_not_take_waits_and_comes_in_order() -> None:
    async def scenario(scene: Scene) -> None:
        parts = [bytes([number]) * 100_000 for number in range(40)]
        for part in parts:
            scene.connection.write(part)
            await asyncio.sleep(0)
        assert scene.reactor.getWriters() == [scene.connection]
        # Until one was not taken whole, and not for those behind it.
        assert scene.tries < len(parts) / 2
        assert await scene.received(4_000_000) == b"".join(parts)
        assert scene.reactor.getWriters() == []

    play(scenario)


def test_an_end_waits_for_what_the_socket_does_not_take() -> None:
    async def scenario(scene: Scene) -> None:
        scene.connection.write(b"?" * 4_000_000)
        await asyncio.sleep(0)
        assert scene.reactor.getWriters() == [scene.connection]
        scene.connection.loseConnection()
        assert await scene.received(5_000_000) == b"?" * 4_000_000
        assert len(scene.ends) == 1

    play(scenario)


def test_an_end_at_once_comes_behind_what_was_written() -> None:
    async def scenario(scene: Scene) -> None:
        scene.connection.write(b"farewell")
        scene.connection.loseConnection()
        assert await scene.received(100) == b"farewell"
        await asyncio.sleep(0.01)
        assert len(scene.ends) == 1

    play(scenario)


def test_a_client_that_has_gone_is_noticed() -> None:
    async def scenario(scene: Scene) -> None:
        scene.there.close()
        scene.connection.write(b"anybody there?")
        await asyncio.sleep(0.05)
        assert len(scene.ends) == 1
        # And what is written to nobody harms nobody.
        scene.connection.write(b"hello?")
        await asyncio.sleep(0)

    play(scenario)


def test_a_client_that_goes_in_the_same_turn_is_not_written_to() -> None:
    async def scenario(scene: Scene) -> None:
        scene.connection.write(b"too late")
        scene.connection.connectionLost(cast(Any, Failure)(ConnectionLost()))
        await asyncio.sleep(0)
        assert (len(scene.ends), scene.tries) == (1, 0)

    play(scenario)


def test_undone_it_writes_as_before() -> None:
    async def scenario(scene: Scene) -> None:
        scene.connection.write(b"promptly ")
        scene.prompt.undo()
        scene.connection.write(b"and not")
        assert scene.reactor.getWriters() == [scene.connection]
        assert await scene.received(16) == b"promptly and not"

    play(scenario)
