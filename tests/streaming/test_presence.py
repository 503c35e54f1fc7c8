"""Who connects is counted, however Valkey does; who goes before that is not."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings

from api.streaming.connections import Connections
from api.streaming.presence import Presence
from tests.clickhouse.proxy import proxy_to
from tests.streaming.conftest import Connect, StartServer


def test_a_slow_valkey_keeps_nobody_from_connecting(start_server: StartServer, connect: Connect) -> None:
    url = urlsplit(settings.REDIS_URL)
    assert url.hostname is not None
    assert url.port is not None
    with proxy_to(url.hostname, url.port) as proxy:
        slow = urlunsplit(url._replace(netloc=url.netloc.replace(f":{url.port}", f":{proxy.port}")))
        server = start_server(REDIS_URL=slow, WEBSOCKET_CONNECTIONS_PER_IP="30", WEBSOCKET_HEARTBEAT_SECONDS="1")
        connect(server)
        # One after the other they would take twelve seconds, and daphne gives up after five.
        proxy.delay = 0.4
        with ThreadPoolExecutor(29) as pool:
            clients = list(pool.map(lambda _: connect(server), range(29)))
        assert {client.next()["type"] for client in clients} == {"heartbeat"}
        assert connect(server).next()["type"] == "error"


def test_who_goes_while_it_is_asked_is_not_counted() -> None:
    connections = Connections(10)

    async def gone() -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            presence = Presence(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", connections)
            opening = asyncio.create_task(presence.open("ip:127.0.0.1"))
            await asyncio.sleep(0.1)
            assert len(connections) == 1
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening

    asyncio.run(gone())
    assert len(connections) == 0
