"""ALLOWED_IPS: who may call at all."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from api.envelope import failure

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@sync_and_async_middleware
def allowed_addresses(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware that answers 403 to every address outside ALLOWED_IPS; with an empty list everybody may call.

    The address is the connection's own; what a proxy says in a header is not believed.
    """
    networks = [ipaddress.ip_network(each, strict=False) for each in settings.CONFIG.allowed_ips]

    def refusal(request: HttpRequest) -> HttpResponse | None:
        address = request.META.get("REMOTE_ADDR", "")
        if not networks or is_allowed(address, networks):
            return None
        return failure(403, "FORBIDDEN", f"{address[:60]} is not in ALLOWED_IPS.")

    if iscoroutinefunction(get_response):

        async def guarded(request: HttpRequest) -> Any:
            return refusal(request) or await get_response(request)

        return guarded

    def guarded_sync(request: HttpRequest) -> Any:
        return refusal(request) or get_response(request)

    return guarded_sync


def is_allowed(address: str, networks: list[Network]) -> bool:
    """Whether an address, IPv4 also as ::ffff:1.2.3.4, is in one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any((mapped or parsed) in network for network in networks)
