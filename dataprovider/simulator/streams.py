"""The WebSocket face: addresses, subscriptions by URL and by message, limits, pings, the life of a connection."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from dataprovider.simulator.commands import Command, CommandError, answer, read_command
from dataprovider.simulator.connection import Connection
from dataprovider.simulator.errors import ExchangeError
from dataprovider.simulator.hub import Hub
from dataprovider.simulator.limits import Limits

logger = logging.getLogger(__name__)

TOO_MANY_STREAMS = CommandError(4, "Too many subscriptions")
#: /public has depth and book tickers, /private has accounts: no trades there. The addresses without a prefix have been
#: silent since 2026-04-23: they accept, acknowledge, and never send a trade.
SILENT_PREFIXES = ("", "/public", "/private")
LARGEST_MESSAGE = 1_000_000


class Streams:
    """Handlers of the stream addresses."""

    def __init__(self, hub: Hub, limits: Limits, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._limits = limits
        self._monotonic = monotonic
        self._attempts: dict[str, deque[float]] = {}

    def add_routes(self, router: web.UrlDispatcher) -> None:
        for prefix in ("/market", *SILENT_PREFIXES):
            silent = prefix in SILENT_PREFIXES
            router.add_get(f"{prefix}/stream", self._handler(wrapped=True, silent=silent))
            router.add_get(f"{prefix}/ws", self._handler(wrapped=False, silent=silent))
            router.add_get(f"{prefix}/ws/{{names:.+}}", self._handler(wrapped=False, silent=silent))

    async def tend(self) -> None:
        """Ping, drop who does not answer, end old connections; until cancelled."""
        closing: set[asyncio.Task[None]] = set()
        while True:
            await asyncio.sleep(min(1.0, self._limits.ping_every_s / 2, self._limits.life_s / 2))
            now = self._monotonic()
            for connection in list(self._hub.connections):
                if connection.pong_due is not None and now > connection.pong_due:
                    connection.abort()
                elif now - connection.opened > self._limits.life_s:
                    task = asyncio.create_task(connection.close(WSCloseCode.GOING_AWAY, "Connection lives 24 hours"))
                    closing.add(task)
                    task.add_done_callback(closing.discard)
                elif now - connection.last_ping > self._limits.ping_every_s:
                    connection.ping(str(int(time.time() * 1000)).encode(), self._limits.pong_within_s)

    def _handler(self, *, wrapped: bool, silent: bool) -> Callable[[web.Request], asyncio.Future[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._serve(request, wrapped=wrapped, silent=silent)

        return handle  # type: ignore[return-value]

    async def _serve(self, request: web.Request, *, wrapped: bool, silent: bool) -> web.StreamResponse:
        if not self._may_connect(request.remote or ""):
            error = ExchangeError(429, -1003, "Too many connection attempts.")
            return web.Response(status=error.status, body=error.body(), content_type="application/json")
        socket = web.WebSocketResponse(autoping=False, compress=False, max_msg_size=LARGEST_MESSAGE, timeout=2.0)
        try:
            await socket.prepare(request)
        except ConnectionError:
            # The client was gone before its handshake was answered.
            return web.Response()
        transport = request.transport
        if transport is None:
            return socket
        connection = Connection(
            socket,
            transport,
            wrapped=wrapped,
            silent=silent,
            burst=self._limits.message_burst,
            monotonic=self._monotonic,
        )
        self._hub.connections[connection] = None
        try:
            await self._converse(connection, _names_in(request))
        finally:
            self._hub.remove(connection)
        return socket

    async def _converse(self, connection: Connection, names: Iterable[str]) -> None:
        if not await self._subscribe(connection, names):
            return
        async for message in connection.socket:
            if connection.half_open:
                continue
            if message.type is WSMsgType.PONG:
                connection.pong_due = None
            elif not connection.may_send_message(self._limits.messages_per_s):
                await connection.close(WSCloseCode.POLICY_VIOLATION, "Too many requests")
                return
            elif not await self._handle(connection, message):
                return

    async def _handle(self, connection: Connection, message: WSMessage) -> bool:
        """Whether the connection goes on."""
        if message.type is WSMsgType.PING:
            connection.pong(bytes(message.data))
            return True
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return True
        try:
            command = read_command(message.data)
        except CommandError as error:
            connection.send(error.answer())
            return True
        return await self._obey(connection, command)

    async def _obey(self, connection: Connection, command: Command) -> bool:
        result: object = None
        if command.method == "SUBSCRIBE":
            if not await self._subscribe(connection, command.params):
                return False
        elif command.method == "UNSUBSCRIBE":
            for name in command.params:
                self._hub.unsubscribe(connection, name)
        elif command.method == "LIST_SUBSCRIPTIONS":
            result = list(connection.streams)
        elif command.method == "SET_PROPERTY":
            if len(command.params) != 2 or command.params[0] != "combined":
                connection.send(CommandError(0, "Unknown property", command.id).answer())
                return True
            if not isinstance(command.params[1], bool):
                connection.send(CommandError(1, "Invalid value type: expected Boolean", command.id).answer())
                return True
            connection.wrapped = command.params[1]
        else:
            result = connection.wrapped
        connection.send(answer(result, command.id))
        return True

    async def _subscribe(self, connection: Connection, names: Iterable[str]) -> bool:
        """Whether the connection goes on: one stream too many ends it, and with it all others."""
        wanted = list(names)
        if len({*connection.streams, *wanted}) > self._limits.streams_per_connection:
            connection.send(TOO_MANY_STREAMS.answer())
            await connection.close(WSCloseCode.POLICY_VIOLATION, "Too many subscriptions")
            return False
        for name in wanted:
            self._hub.subscribe(connection, name)
        return True

    def _may_connect(self, address: str) -> bool:
        now = self._monotonic()
        attempts = self._attempts.setdefault(address, deque())
        while attempts and now - attempts[0] > self._limits.connection_window_s:
            attempts.popleft()
        attempts.append(now)
        return len(attempts) <= self._limits.connection_attempts


def _names_in(request: web.Request) -> list[str]:
    """Streams named in the address: /stream?streams=a/b or /ws/a/b."""
    text = request.match_info.get("names") or request.query.get("streams", "")
    return [name for name in text.split("/") if name]
