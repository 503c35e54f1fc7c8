"""The simulator's own face, /simulator/*: its state, what was sent, start, stop, faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import web

from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.faults import DropConnections, Faults, HalfOpen
from dataprovider.simulator.hub import Hub
from dataprovider.simulator.market import Market
from dataprovider.simulator.pump import Pump

DRAINED_WITHIN_S = 10.0


class Control:
    """Handlers of /simulator/*."""

    def __init__(self, market: Market, hub: Hub, pump: Pump, faults: Faults) -> None:
        self._market = market
        self._hub = hub
        self._pump = pump
        self._faults = faults

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/simulator/state", self._state)
        router.add_get("/simulator/sent", self._sent)
        router.add_post("/simulator/start", self._start)
        router.add_post("/simulator/stop", self._stop)
        router.add_get("/simulator/faults", self._list)
        router.add_post("/simulator/faults", self._switch_on)
        router.add_delete("/simulator/faults", self._clear)

    def state(self) -> dict[str, Any]:
        return {
            "market": self._market.kind,
            "running": self._market.running,
            "finished": self._market.finished,
            "now_ms": self._market.now_ms(),
            "symbols": len(self._market.contracts),
            "sent": self._hub.sent_trades,
            "connections": len(self._hub.connections),
            "subscriptions": self._hub.subscriptions,
            "clients_dropped": self._hub.clients_dropped,
            "faults": self._faults.active,
        }

    async def _state(self, request: web.Request) -> web.Response:
        return _json(self.state())

    async def _sent(self, request: web.Request) -> web.Response:
        return _json({symbol: asdict(sent) for symbol, sent in self._hub.sent.items()})

    async def _start(self, request: web.Request) -> web.Response:
        self._market.start()
        return _json(self.state())

    async def _stop(self, request: web.Request) -> web.Response:
        await self._pump.halt(DRAINED_WITHIN_S)
        return _json(self.state())

    async def _list(self, request: web.Request) -> web.Response:
        return _json({"faults": self._faults.active, "known": sorted(self._faults.KINDS)})

    async def _switch_on(self, request: web.Request) -> web.Response:
        try:
            fault = self._faults.read(orjson.loads(await request.read()))
        except orjson.JSONDecodeError:
            return _json({"error": 'Send a JSON object such as {"fault": "mute"}.'}, status=400)
        except SimulatorError as error:
            return _json({"error": str(error)}, status=400)
        connections = [connection for connection in self._hub.connections if connection.is_open]
        if isinstance(fault, DropConnections):
            for connection in connections[: fault.count]:
                connection.abort()
        elif isinstance(fault, HalfOpen):
            for connection in connections[: fault.count]:
                connection.half_open = True
        else:
            self._faults.switch_on(fault)
        return _json({"faults": self._faults.active})

    async def _clear(self, request: web.Request) -> web.Response:
        self._faults.clear()
        self._hub.release_held()
        for connection in list(self._hub.connections):
            if connection.half_open:
                # Trades were missed: as on a real network, such a connection never comes back.
                connection.abort()
        return _json({"faults": []})


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
