"""Limits by key, preflights of browsers, and what a guard does that cannot ask."""

from __future__ import annotations

import pytest
import requests

from tests.api.conftest import StartServer, refusal
from tests.api.test_health import AWAY
from tests.security.test_guards import HEALTH, SUMMARY, ask, new_key

ORIGIN = "https://charts.example.com"


@pytest.mark.django_db(transaction=True)
def test_a_key_is_limited_wherever_it_calls_from(start_server: StartServer) -> None:
    server, key = start_server(RATE_LIMIT_PER_MINUTE="3", TRUSTED_PROXIES="127.0.0.1"), new_key()
    statuses = [
        ask(server, SUMMARY, X_API_Key=key, X_Forwarded_For=f"203.0.113.{client}").status_code for client in range(4)
    ]
    assert statuses == [200, 200, 200, 429]
    # Another key, and nobody's key, from one of these addresses.
    assert ask(server, SUMMARY, X_API_Key=new_key(), X_Forwarded_For="203.0.113.0").status_code == 200
    assert ask(server, SUMMARY, X_Forwarded_For="203.0.113.0").status_code == 200


def test_keys_that_are_tried_out_count_too(start_server: StartServer) -> None:
    server = start_server(RATE_LIMIT_PER_MINUTE="3", REQUIRE_API_KEY="true")
    answers = [ask(server, X_API_Key=f"dp_{number:043}").status_code for number in range(5)]
    assert answers == [401, 401, 401, 429, 429]


def test_a_key_that_cannot_be_checked_opens_nothing(start_server: StartServer) -> None:
    server = start_server(REQUIRE_API_KEY="true", DATABASE_URL=AWAY["DATABASE_URL"])
    answer = ask(server, X_API_Key="dp_" + "x" * 43)
    assert refusal(answer)[:2] == (503, "DATABASE_UNAVAILABLE")
    assert int(answer.headers["Retry-After"]) > 0
    assert refusal(ask(server))[:2] == (401, "API_KEY_REQUIRED")
    assert ask(server, HEALTH).status_code == 200


def test_a_preflight_is_answered_for_named_origins_only(start_server: StartServer) -> None:
    server = start_server(CORS_ALLOWED_ORIGINS=ORIGIN, REQUIRE_API_KEY="true", RATE_LIMIT_PER_MINUTE="2")

    def preflight(origin: str) -> requests.Response:
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-api-key"}
        return requests.options(server.url + SUMMARY, headers={"Origin": origin, **asked}, timeout=10)

    # A preflight cannot carry a key, and is not counted.
    for _ in range(3):
        answer = preflight(ORIGIN)
        assert answer.status_code == 200
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "x-api-key" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Access-Control-Allow-Origin" not in preflight("https://example.org").headers
    # What is refused can be read by the page that asked.
    assert ask(server, Origin=ORIGIN).headers["Access-Control-Allow-Origin"] == ORIGIN
