"""The simulator's own face, /simulator/*: its state, what was sent, start, stop, clock, faults."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.faults import DropConnections, Faults, HalfOpen
from dataprovider.simulator.hub import Hub
from dataprovider.simulator.kline_streams import KlineStreams
from dataprovider.simulator.market import Market
from dataprovider.simulator.pump import Pump
from dataprovider.simulator.spending import Spending

DRAINED_WITHIN_S = 10.0


LONGEST_ADVANCE_S = 400 * 86_400


class Advance(BaseModel):
    """The body of POST /simulator/clock."""

    model_config = ConfigDict(extra="forbid")
    advance_seconds: Annotated[float, Field(ge=0.001, le=LONGEST_ADVANCE_S, allow_inf_nan=False)]


class Control:
    """Handlers of /simulator/*."""

    def __init__(
        self, market: Market, hub: Hub, pump: Pump, klines: KlineStreams, faults: Faults, spending: Spending
    ) -> None:
        self._market = market
        self._hub = hub
        self._pump = pump
        self._klines = klines
        self._faults = faults
        self._spending = spending

    def add_routes(self, router: web.UrlDispatcher) -> None:
        router.add_get("/simulator/state", self._state)
        router.add_get("/simulator/sent", self._sent)
        router.add_get("/simulator/departures", self._departures)
        router.add_post("/simulator/start", self._start)
        router.add_post("/simulator/stop", self._stop)
        router.add_post("/simulator/clock", self._move_clock)
        router.add_get("/simulator/faults", self._list)
        router.add_post("/simulator/faults", self._switch_on)
        router.add_delete("/simulator/faults", self._clear)

    def state(self) -> dict[str, Any]:
        return {
            "market": self._market.kind,
            "running": self._market.running,
            "finished": self._market.finished,
            "now_ms": self._market.now_ms(),
            "clock_offset_ms": self._market.clock_offset_ms,
            "symbols": len(self._market.contracts),
            "sent": self._hub.sent_trades,
            "connections": len(self._hub.connections),
            "subscriptions": self._hub.subscriptions,
            "clients_dropped": self._hub.clients_dropped,
            "rest": self._spending.plain(),
            "faults": self._faults.active,
        }

    async def _state(self, request: web.Request) -> web.Response:
        return _json(self.state())

    async def _departures(self, request: web.Request) -> web.Response:
        return _json({"departures": self._hub.take_departures()})

    async def _sent(self, request: web.Request) -> web.Response:
        return _json({symbol: asdict(sent) for symbol, sent in self._hub.sent.items()})

    async def _start(self, request: web.Request) -> web.Response:
        self._market.start()
        return _json(self.state())

    async def _stop(self, request: web.Request) -> web.Response:
        await self._pump.halt(DRAINED_WITHIN_S)
        return _json(self.state())

    async def _move_clock(self, request: web.Request) -> web.Response:
        """The state, and under `skipped` the event times (after_ms, until_ms] that are never sent."""
        try:
            wanted = Advance.model_validate_json(await request.read())
            skipped = self._pump.skip(round(wanted.advance_seconds * 1000))
        except ValidationError as error:
            reason = error.errors()[0]["msg"]
            return _json({"error": f'Send {{"advance_seconds": 3600}}, at most 400 days: {reason}.'}, status=400)
        except SimulatorError as error:
            return _json({"error": str(error)}, status=400)
        self._klines.forget()
        return _json({**self.state(), "skipped": skipped._asdict()})

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
