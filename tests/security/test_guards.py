"""Keys, limits and the allow-list are enforced: on a real daphne over real sockets."""

from __future__ import annotations

import re
from io import StringIO

import pytest
import requests
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client

from api.models import ApiKey
from api.security.addresses import client_address, networks
from tests.api.conftest import Server, StartServer, refusal
from tests.waiting import wait_until

SUMMARY = "/api/v1/integrity/summary"
HEALTH = "/api/v1/monitoring/health"
TRUSTED = networks(["127.0.0.1", "10.0.0.0/8"])


def ask(server: Server, path: str = SUMMARY, **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(server.url + path, headers=named, timeout=10)


def new_key(scope: str = "read") -> str:
    said = StringIO()
    call_command("makeapikey", "tests", scope=scope, stdout=said)
    return said.getvalue().strip()


@pytest.mark.parametrize(
    ("connection", "header", "address"),
    [
        ("9.9.9.9", "1.1.1.1", "9.9.9.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("127.0.0.1", "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        ("127.0.0.1", "1.1.1.1, nonsense, 10.0.0.2", "10.0.0.2"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("::ffff:127.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
    ],
)
def test_only_trusted_proxies_are_believed(connection: str, header: str, address: str) -> None:
    assert client_address(connection, header, TRUSTED) == address


def test_the_allow_list_holds_behind_a_proxy(start_server: StartServer) -> None:
    server = start_server(ALLOWED_IPS="1.1.1.1", TRUSTED_PROXIES="127.0.0.1")
    assert ask(server, HEALTH, X_Forwarded_For="6.6.6.6, 1.1.1.1").status_code == 200
    assert refusal(ask(server, HEALTH, X_Forwarded_For="1.1.1.1, 6.6.6.6"))[:2] == (403, "FORBIDDEN")
    assert refusal(ask(server, HEALTH))[:2] == (403, "FORBIDDEN")


@pytest.mark.django_db(transaction=True)
def test_with_required_keys_only_a_valid_one_gets_in(start_server: StartServer) -> None:
    server, token = start_server(REQUIRE_API_KEY="true"), new_key()
    assert refusal(ask(server))[:2] == (401, "API_KEY_REQUIRED")
    for other in ("dp_" + "x" * 43, token[:11] + "x" * 35):
        assert refusal(ask(server, X_API_Key=other))[:2] == (401, "INVALID_API_KEY")
    assert ask(server, "/fapi/v1/ping").json()["code"] == -1002
    for name, value in (("X_API_Key", token), ("X_MBX_APIKEY", token), ("Authorization", f"Bearer {token}")):
        assert ask(server, **{name: value}).status_code == 200
    assert ask(server, HEALTH).status_code == 200
    key = ApiKey.objects.get()
    assert key.last_used_at is not None
    assert token not in str(vars(key))


@pytest.mark.django_db(transaction=True)
def test_a_key_is_shown_once_and_revoked_in_the_admin(start_server: StartServer) -> None:
    server, boss = start_server(), Client()
    boss.force_login(get_user_model().objects.create_superuser("boss"))
    page = boss.post("/admin/api/apikey/add/", {"name": "charts", "scope": "read"}).content.decode()
    found = re.search(r"dp_[\w-]{43}", page)
    assert found
    assert ask(server, X_API_Key=found[0]).status_code == 200
    assert found[0] not in boss.get("/admin/api/apikey/").content.decode()
    chosen = {"action": "revoke", "_selected_action": str(ApiKey.objects.get().pk)}
    assert "for good" in boss.post("/admin/api/apikey/", chosen).content.decode()
    assert ApiKey.objects.get().revoked_at is None
    assert boss.post("/admin/api/apikey/", {**chosen, "answered": "yes"}).status_code == 302
    wait_until(lambda: ask(server, X_API_Key=found[0]).status_code == 401, 10, "the key to be refused")


def test_too_many_requests_are_429_until_the_minute_is_over(start_server: StartServer) -> None:
    server = start_server(RATE_LIMIT_PER_MINUTE="3")
    assert [ask(server, SUMMARY).headers["X-RateLimit-Remaining"] for _ in range(3)] == ["2", "1", "0"]
    answer = ask(server, SUMMARY)
    assert refusal(answer)[:2] == (429, "RATE_LIMITED")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert ask(server, "/fapi/v1/ping").json()["code"] == -1003
    # Who watches is not blinded by who is busy.
    assert ask(server, HEALTH).status_code == 200
    assert ask(server, "/admin/login/").status_code == 200


def test_without_valkey_requests_go_through(start_server: StartServer) -> None:
    server = start_server(RATE_LIMIT_PER_MINUTE="1", REDIS_URL="redis://127.0.0.1:1/0")
    assert [ask(server, SUMMARY).status_code for _ in range(3)] == [200] * 3


def test_only_named_origins_may_read(start_server: StartServer) -> None:
    server = start_server(CORS_ALLOWED_ORIGINS="https://charts.example.com")
    allowed = ask(server, HEALTH, Origin="https://charts.example.com").headers
    assert allowed["Access-Control-Allow-Origin"] == "https://charts.example.com"
    assert "Access-Control-Allow-Origin" not in ask(server, HEALTH, Origin="https://example.org").headers
