"""admin/websocket/…: who is connected, to all web processes."""

from __future__ import annotations

import ipaddress
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema
from pydantic import Field

from api.apps import this_app
from api.documenting import answers, example
from api.envelope import success
from api.shapes import Envelope
from api.sources import away
from api.streaming.presence import read_presences

router = Router(tags=["admin"])

_PROCESS = "web-1:4720:9f86d0"


class WebProcess(Schema):
    process: str
    connections: int
    said_at: int = Field(description="Milliseconds since 1970 (UTC).")


class WebSocketStatus(Schema):
    enabled: bool = Field(description="ENABLE_WEBSOCKET_API.")
    connections: int = Field(description="Of all web processes; of this one alone while Valkey does not answer.")
    addresses: int
    connections_per_address: int = Field(description="So many an address may have with all of them.")
    heartbeat_seconds: int
    processes: list[WebProcess] = Field(description="Those that have connections, as they said in the last seconds.")
    unavailable: list[str] = Field(description="Services that do not answer now.")


class WebSocketStatusAnswer(Envelope):
    data: WebSocketStatus


class ConnectionsOfAddress(Schema):
    address: str = Field(description="Whole for a key with scope=control; for others the network it is in.")
    process: str
    connections: int


class WebSocketConnectionsAnswer(Envelope):
    data: list[ConnectionsOfAddress]


STATUS: dict[str, Any] = {
    "enabled": True,
    "connections": 5,
    "addresses": 2,
    "connections_per_address": 10,
    "heartbeat_seconds": 60,
    "processes": [{"process": _PROCESS, "connections": 5, "said_at": 1704153600012}],
    "unavailable": [],
}
CONNECTION = {"address": "203.0.113.0/24", "process": _PROCESS, "connections": 4}


@router.get(
    "status", response=answers(WebSocketStatusAnswer), openapi_extra=example(STATUS, "5 connections from 2 addresses")
)
async def websocket_status(request: HttpRequest) -> HttpResponse:
    """How many clients are connected to /ws/stream and to the Binance streams, and what they are allowed."""
    processes, known = await _processes()
    counts = [sum(each["connections"].values()) for each in processes]
    addresses = {address for each in processes for address in each["connections"]}
    found = {
        "enabled": settings.CONFIG.enable_websocket_api,
        "connections": sum(counts),
        "addresses": len(addresses),
        "connections_per_address": settings.CONFIG.websocket_connections_per_ip,
        "heartbeat_seconds": settings.CONFIG.websocket_heartbeat_seconds,
        "processes": [
            {"process": each["process"], "connections": count, "said_at": each["said_at"]}
            for each, count in zip(processes, counts, strict=True)
        ],
        "unavailable": away(redis=known),
    }
    return success(orjson.dumps(found), f"{sum(counts)} connections from {len(addresses)} addresses")


@router.get(
    "connections",
    response=answers(WebSocketConnectionsAnswer),
    openapi_extra=example([CONNECTION], "4 connections"),
)
async def websocket_connections(request: HttpRequest) -> HttpResponse:
    """The connected clients by address and web process."""
    processes, known = await _processes()
    caller = request.decision.caller  # type: ignore[attr-defined]
    whole = caller is not None and caller.may_control
    lines = [
        {"address": _shown(address, whole=whole), "process": each["process"], "connections": count}
        for each in processes
        for address, count in sorted(each["connections"].items())
    ]
    message = f"{sum(each['connections'] for each in lines)} connections"
    if known is None:
        message += " of this process; Valkey, where others say theirs, does not answer"
    return success(orjson.dumps(lines), message)


async def _processes() -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    """Every process that has connections, this one as it is now; and what Valkey said, None while it is away."""
    app = this_app()
    known = await app.sources.redis(read_presences)
    own = app.presence.said()
    others = [each for each in known or [] if each["process"] != own["process"]]
    return [*([own] if own["connections"] else []), *others], known


def _shown(counted: str, *, whole: bool) -> str:
    """An address as `address_to_count` has it: all of it, or its /24 or /48."""
    text = counted.removeprefix("ip:")
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        return text
    if whole:
        return text
    return str(network.supernet(new_prefix=24 if network.version == 4 else 48))
