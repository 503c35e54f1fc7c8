"""ALLOWED_IPS keeps everybody else out."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest

from api.security.addresses import is_allowed
from tests.api.conftest import Server, refusal

NETWORKS = [ipaddress.ip_network(each) for each in ("10.0.0.0/8", "192.168.1.7/32", "2001:db8::/32")]


@pytest.mark.parametrize("address", ["10.1.2.3", "192.168.1.7", "::ffff:10.9.9.9", "2001:db8::1"])
def test_an_address_of_a_named_network_may_call(address: str) -> None:
    assert is_allowed(address, NETWORKS)


@pytest.mark.parametrize("address", ["11.1.2.3", "192.168.1.8", "::1", "", "unix:", "10.1.2.3.4", "::ffff:11.0.0.1"])
def test_any_other_address_may_not(address: str) -> None:
    assert not is_allowed(address, NETWORKS)


def test_the_web_refuses_with_403_in_the_envelope(start_server: Callable[..., Any]) -> None:
    server: Server = start_server(ALLOWED_IPS="10.0.0.0/8")
    for path in (*(f"/api/v1/monitoring/{each}" for each in ("health", "live", "ready")), "/admin/login/", "/"):
        status, error, message = refusal(server.get(path))
        assert (status, error) == (403, "FORBIDDEN")
        assert "ALLOWED_IPS" in message


def test_who_is_named_gets_in(start_server: Callable[..., Any]) -> None:
    server: Server = start_server(ALLOWED_IPS="10.0.0.0/8,127.0.0.1")
    assert server.get("/api/v1/monitoring/health").status_code == 200
