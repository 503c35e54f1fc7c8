"""GET admin/websocket/…: the clients of all web processes, also while Valkey is away."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from redis import Redis

from tests.api.conftest import Server, StartServer
from tests.api.test_health import AWAY
from tests.security.test_guards import new_key
from tests.streaming.conftest import Client
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ADMIN = "/api/v1/admin/websocket"


def status(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.data(f"{ADMIN}/status")
    return found


def test_every_process_knows_of_all_connections_until_they_are_closed(start_server: StartServer, redis: Redis) -> None:
    one, other = start_server(), start_server()
    assert status(one)["connections"] == 0
    clients = [Client(one), Client(one), Client(other)]
    for server in (one, other):
        wait_until(lambda: status(server)["connections"] == 3, 10, "all connections")  # noqa: B023
    found = status(one)
    assert (found["addresses"], sorted(each["connections"] for each in found["processes"])) == (1, [1, 2])
    lines = server.data(f"{ADMIN}/connections")
    assert {each["address"] for each in lines} == {"127.0.0.0/24"}
    key = {"X-API-Key": new_key("control")}
    whole = requests.get(f"{one.url}{ADMIN}/connections", headers=key, timeout=10).json()["data"]
    assert {each["address"] for each in whole} == {"127.0.0.1"}
    for client in clients:
        client.close()
    wait_until(lambda: not status(one)["processes"], 10, "nobody to be connected")


def test_without_valkey_a_process_still_knows_its_own(start_server: StartServer) -> None:
    server = start_server(REDIS_URL=AWAY["REDIS_URL"])
    client = Client(server)
    found = status(server)
    assert (found["connections"], found["unavailable"]) == (1, ["redis"])
    client.close()
