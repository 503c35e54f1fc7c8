"""Whatever changes something needs a control key, or the session of somebody who may do it in the admin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from api.models import ApiKey
from api.rest import api
from collectors.models import Symbol
from tests.api.conftest import Server, StartServer, refusal
from tests.api.test_health import AWAY
from tests.integrity.rows import make_symbol
from tests.security.test_guards import new_key

pytestmark = pytest.mark.django_db(transaction=True)

PAUSE = "/api/v1/tickers/BTCUSDT/pause"
TOKEN = "c" * 32
Login = Callable[..., dict[str, str]]


def changing() -> list[tuple[str, str]]:
    """Method and address of every operation that is not a GET."""
    paths: dict[str, dict[str, Any]] = api.get_openapi_schema(path_prefix="api/v1/")["paths"]
    return [
        (method, path.replace("{symbol}", "BTCUSDT"))
        for path, operations in paths.items()
        for method in operations
        if method != "get"
    ]


def ask(server: Server, path: str = PAUSE, method: str = "post", **headers: str) -> requests.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, server.url + path, headers=named, timeout=10)


@pytest.fixture
def login() -> Login:
    """login(staff=True, may=True): the headers of somebody who is logged in to the admin; `token`: their CSRF token."""

    def logged_in(*, staff: bool = True, may: bool = True, token: str | None = TOKEN) -> dict[str, str]:
        user = get_user_model().objects.create_user("somebody", is_staff=staff)
        if may:
            user.user_permissions.add(Permission.objects.get(codename="change_symbol"))
        client = Client()
        client.force_login(user)
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        return {
            "Cookie": f"sessionid={session}; csrftoken={TOKEN}",
            **({} if token is None else {"X_CSRFToken": token}),
        }

    return logged_in


def test_there_are_operations_that_change_something() -> None:
    assert ("post", PAUSE) in changing()


@pytest.mark.parametrize(("method", "path"), changing())
def test_nobody_else_changes_anything(server: Server, method: str, path: str) -> None:
    make_symbol()
    answer = ask(server, path, method)
    assert refusal(answer)[:2] == (401, "CONTROL_KEY_REQUIRED")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert refusal(ask(server, path, method, X_API_Key=new_key("read")))[:2] == (403, "READ_ONLY_KEY")
    assert Symbol.objects.get().enabled


def test_a_control_key_may_until_it_is_revoked(server: Server) -> None:
    make_symbol()
    key = new_key("control")
    assert ask(server, X_API_Key=key).status_code == 200
    assert ask(server, "/api/v1/tickers/BTCUSDT/resume", Authorization=f"Bearer {key}").status_code == 200
    revoked = new_key("control")
    ApiKey.objects.update(revoked_at=timezone.now())
    assert refusal(ask(server, X_API_Key=revoked))[:2] == (401, "INVALID_API_KEY")
    assert Symbol.objects.get().enabled


def test_somebody_of_the_admin_may_with_their_csrf_token(start_server: StartServer, login: Login) -> None:
    make_symbol()
    # Keys are for programs: who is logged in needs none, whatever REQUIRE_API_KEY says.
    assert ask(start_server(REQUIRE_API_KEY="true"), **login()).status_code == 200
    assert not Symbol.objects.get().enabled


@pytest.mark.parametrize(
    ("who", "status", "error"),
    [
        ({"token": None}, 403, "CSRF_FAILED"),
        ({"token": "d" * 32}, 403, "CSRF_FAILED"),
        ({"staff": False}, 403, "FORBIDDEN"),
        ({"may": False}, 403, "FORBIDDEN"),
    ],
)
def test_other_sessions_may_not(server: Server, login: Login, who: dict[str, Any], status: int, error: str) -> None:
    make_symbol()
    assert refusal(ask(server, **login(**who)))[:2] == (status, error)
    assert Symbol.objects.get().enabled


def test_a_session_from_another_site_may_not(server: Server, login: Login) -> None:
    make_symbol()
    assert refusal(ask(server, **login(), Origin="https://example.org"))[:2] == (403, "CSRF_FAILED")


def test_a_made_up_session_is_nobody(server: Server) -> None:
    make_symbol()
    answer = ask(server, Cookie=f"sessionid={'a' * 32}; csrftoken={TOKEN}", X_CSRFToken=TOKEN)
    assert refusal(answer)[:2] == (401, "CONTROL_KEY_REQUIRED")


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=x", "application/json"])
def test_a_senseless_body_is_no_500(server: Server, login: Login, content_type: str) -> None:
    make_symbol()
    headers = {name.replace("_", "-"): value for name, value in login(token=None).items()}
    url = server.url + PAUSE
    answer = requests.post(url, data=b"{\xff", headers={**headers, "Content-Type": content_type}, timeout=10)
    assert answer.status_code in (400, 403)
    assert Symbol.objects.get().enabled


def test_while_postgres_is_away_nothing_is_changed_and_nothing_is_open(start_server: StartServer) -> None:
    key = new_key("control")
    server = start_server(DATABASE_URL=AWAY["DATABASE_URL"])
    for headers in ({"X_API_Key": key}, {"Cookie": f"sessionid={'a' * 32}"}):
        answer = ask(server, **headers)
        assert refusal(answer)[:2] == (503, "DATABASE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) > 0
    assert refusal(ask(server))[:2] == (401, "CONTROL_KEY_REQUIRED")
