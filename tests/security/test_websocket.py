"""A WebSocket's handshake passes the guards of a request: what is refused gets 403."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import websocket
from django.core.management import call_command
from django.utils import timezone

from api.models import ApiKey
from api.security.keys import make_key
from api.security.websocket import is_allowed_origin, without_key
from tests.api.conftest import Server, StartServer
from tests.waiting import wait_until

OUR_PAGE = "http://127.0.0.1:8080"


def status(server: Server, query: str = "", **options: Any) -> int:
    """How a handshake is answered: 101 or a refusal's status."""
    address = f"ws{server.url.removeprefix('http')}/ws/stream{query}"
    try:
        socket = websocket.create_connection(address, timeout=10, suppress_origin=True, **options)
    except websocket.WebSocketBadStatusException as refusal:
        return int(refusal.status_code)
    socket.close()
    return 101


def test_the_allow_list_holds_behind_a_proxy(start_server: StartServer) -> None:
    server = start_server(ALLOWED_IPS="1.1.1.1", TRUSTED_PROXIES="127.0.0.1")
    assert status(server, header={"X-Forwarded-For": "6.6.6.6, 1.1.1.1"}) == 101
    assert status(server, header={"X-Forwarded-For": "1.1.1.1, 6.6.6.6"}) == 403
    assert status(server) == 403


@pytest.mark.django_db(transaction=True)
def test_a_key_comes_in_a_header_or_the_address_and_never_into_a_log(start_server: StartServer, tmp_path: Path) -> None:
    said = StringIO()
    call_command("makeapikey", "tests", scope="read", stdout=said)
    token, wrong = said.getvalue().strip(), "dp_" + "x" * 43
    server = start_server(REQUIRE_API_KEY="true", ENABLE_DEBUG_LOGGING="true", DAPHNE_VERBOSITY="1")
    assert status(server) == 403
    assert status(server, header={"X-API-Key": token}) == 101
    assert status(server, f"?api_key={token}") == 101
    assert status(server, f"?streams=x&api%5Fkey={wrong}") == 403
    path = tmp_path / "daphne.log"
    wait_until(lambda: path.read_text().count("/ws/stream") > 1, 20, "the handshakes in the log")
    log = path.read_text()
    assert token not in log
    assert wrong not in log


@pytest.mark.django_db(transaction=True)
def test_a_revoked_key_ends_its_connections(start_server: StartServer) -> None:
    token = make_key("bot", "read")[1]
    address = f"ws{start_server().url.removeprefix('http')}"
    connections = [
        websocket.create_connection(f"{address}{path}", timeout=20, header={"X-API-Key": token})
        for path in ("/ws/stream", "/market/ws")
    ]
    ApiKey.objects.update(revoked_at=timezone.now())
    for each in connections:
        assert "revoked" in each.recv()
        assert each.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE
        each.shutdown()  # type: ignore[no-untyped-call]


def test_handshakes_are_counted(start_server: StartServer) -> None:
    server = start_server(RATE_LIMIT_PER_MINUTE="2")
    assert [status(server) for _ in range(3)] == [101, 101, 403]


def test_pages_of_other_sites_may_not_connect(start_server: StartServer) -> None:
    server = start_server(CORS_ALLOWED_ORIGINS="https://charts.example.com")
    assert status(server, header={"Origin": server.url}) == 101
    assert status(server, header={"Origin": "https://charts.example.com"}) == 101
    assert status(server, header={"Origin": "https://evil.example.org"}) == 403
    # A name of theirs that leads here is not ours either.
    there = "http://evil.example.org"
    assert status(server, header={"Origin": there}, host="evil.example.org") == 403


@pytest.mark.parametrize("origin", ["null", "", "https://[", "http://127.0.0.1", "http://127.0.0.1:8080.example.org"])
def test_what_is_not_our_origin(origin: str) -> None:
    assert not is_allowed_origin(origin, "127.0.0.1:8080", ["https://charts.example.com"])
    assert is_allowed_origin(OUR_PAGE, "127.0.0.1:8080", [])


def test_the_key_is_taken_out_of_the_address() -> None:
    assert without_key(b"streams=a@b&api_key=k%2B1&x=&api%5fkey=2") == (b"streams=a@b&x=", "k+1")
    assert without_key(b"") == (b"", None)
