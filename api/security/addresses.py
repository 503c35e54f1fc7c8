"""Where a request comes from, behind proxies too, and ALLOWED_IPS: who may call at all."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from api.security.refusals import refused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Some proxies write the port as well: 1.2.3.4:5678, [::1]:5678.
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+", re.ASCII)


def networks(texts: Sequence[str]) -> list[Network]:
    """Addresses and networks of a checked setting, parsed."""
    return [ipaddress.ip_network(each, strict=False) for each in texts]


def client_address(connection: str, forwarded_for: str, trusted: Sequence[Network]) -> str:
    """The address of who calls: the connection's own, or what trusted proxies say in X-Forwarded-For.

    The header is walked from its right end, where the nearest proxy wrote, for as long as who wrote it is trusted; what
    stands further left anybody may have made up. At an entry that is no address the walk ends with the one before.
    """
    address = connection
    for hop in reversed(forwarded_for.split(",")) if forwarded_for else ():
        if not is_allowed(address, trusted):
            break
        text = hop.strip()
        match = _WITH_PORT.fullmatch(text)
        try:
            address = str(ipaddress.ip_address((match[1] or match[2]) if match else text))
        except ValueError:
            break
    return address


def is_allowed(address: str, allowed: Sequence[Network]) -> bool:
    """Whether an address, IPv4 also as ::ffff:1.2.3.4, is in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in allowed)


class Gate:
    """TRUSTED_PROXIES and ALLOWED_IPS as one process applies them."""

    def __init__(self, allowed_ips: Sequence[str], trusted_proxies: Sequence[str]) -> None:
        self._allowed = networks(allowed_ips)
        self._trusted = networks(trusted_proxies)

    def address(self, connection: str, forwarded_for: str) -> str:
        """See `client_address`."""
        return client_address(connection, forwarded_for, self._trusted)

    def lets_in(self, address: str) -> bool:
        """Whether it may call at all; with an empty list everybody may."""
        return not self._allowed or is_allowed(address, self._allowed)


@sync_and_async_middleware
def allowed_addresses(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware that answers 403 to every address outside ALLOWED_IPS, and leaves `request.client_address`."""
    gate = Gate(settings.CONFIG.allowed_ips, settings.CONFIG.trusted_proxies)

    def refusal(request: HttpRequest) -> HttpResponse | None:
        address = gate.address(request.META.get("REMOTE_ADDR", ""), request.META.get("HTTP_X_FORWARDED_FOR", ""))
        request.client_address = address  # type: ignore[attr-defined]
        if gate.lets_in(address):
            return None
        return refused(request.path, 403, "FORBIDDEN", f"{address[:60]} is not in ALLOWED_IPS.")

    if iscoroutinefunction(get_response):

        async def guarded(request: HttpRequest) -> Any:
            return refusal(request) or await get_response(request)

        return guarded

    def guarded_sync(request: HttpRequest) -> Any:
        return refusal(request) or get_response(request)

    return guarded_sync
