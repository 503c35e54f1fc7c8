"""The exchange: all faces on one port, from start to a graceful stop."""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Any

from aiohttp import WSCloseCode, web

from dataprovider.simulator.archives import Archives
from dataprovider.simulator.clock import wall_ms
from dataprovider.simulator.control import Control
from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.faults import Faults
from dataprovider.simulator.hub import Hub
from dataprovider.simulator.kline_streams import KlineStreams
from dataprovider.simulator.limits import Limits
from dataprovider.simulator.market import Market
from dataprovider.simulator.pump import Pump
from dataprovider.simulator.rest import Rest
from dataprovider.simulator.stopsignals import STOP_SIGNALS
from dataprovider.simulator.streams import Streams
from dataprovider.simulator.symbols import ContractList

#: A subscription by address may name 1024 streams.
LONGEST_ADDRESS = 65_536
DRAINED_WITHIN_S = 5.0
REPORT_EVERY_S = 10.0


class Exchange:
    """A market and its faces."""

    def __init__(
        self, market: Market, listed: ContractList, archives: Archives, *, limits: Limits, faults: Faults
    ) -> None:
        self.market = market
        self.hub = Hub(market.contracts, faults, buffer_bytes=limits.buffer_bytes)
        self.pump = Pump(market, self.hub)
        self._streams = Streams(self.hub, limits)
        self._klines = KlineStreams(market, self.hub)
        self._app = web.Application()
        self._streams.add_routes(self._app.router)
        rest = Rest(market, listed, limits, faults, wall_ms)
        rest.add_routes(self._app.router)
        archives.add_routes(self._app.router)
        Control(market, self.hub, self.pump, self._klines, faults, rest.spending).add_routes(self._app.router)

    async def serve(
        self,
        host: str,
        port: int,
        *,
        ready: Callable[[dict[str, Any]], None],
        report: Callable[[str], None],
        stopped: Callable[[], bool],
    ) -> None:
        """Listen (port 0: a free one) until SIGTERM or SIGINT, then halt the market, send what is left and return.

        `stopped`: whether one came already.

        `ready` gets the ready message once; `report` a line of rates every REPORT_EVERY_S.
        Raises SimulatorError when the address cannot be had.
        """
        runner = web.AppRunner(
            self._app, access_log=None, max_line_size=LONGEST_ADDRESS, shutdown_timeout=DRAINED_WITHIN_S
        )
        await runner.setup()
        stop = asyncio.Event()
        for number in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if stopped():
            stop.set()
        try:
            found = await _listen(runner, host, port)
            ready(
                {
                    "ready": True,
                    "port": found,
                    "symbols": len(self.market.contracts),
                    "url": f"http://{'127.0.0.1' if host in ('0.0.0.0', '::', '') else host}:{found}",
                }
            )
            await self._run(stop, report)
        finally:
            await runner.cleanup()

    async def _run(self, stop: asyncio.Event, report: Callable[[str], None]) -> None:
        loops = [
            asyncio.create_task(work)
            for work in (self.pump.run(), self._klines.run(), self._streams.tend(), self._report(report))
        ]
        waiting = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*loops, waiting], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            # A loop only ends by an error of ours: better no exchange than a silent one.
            task.result()
        await self.pump.halt(DRAINED_WITHIN_S)
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await asyncio.gather(
            *(
                connection.close(WSCloseCode.GOING_AWAY, "The exchange stops")
                for connection in list(self.hub.connections)
            )
        )

    async def _report(self, report: Callable[[str], None]) -> None:
        before, since = 0, time.monotonic()
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            sent, now = self.hub.sent_trades, time.monotonic()
            report(
                f"{(sent - before) / (now - since):,.0f} trades/s sent, {sent:,} in all, "
                f"{len(self.hub.connections)} connections, {self.hub.subscriptions} subscriptions, "
                f"{self.hub.clients_dropped} clients dropped"
            )
            before, since = sent, now


async def _listen(runner: web.AppRunner, host: str, port: int) -> int:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise SimulatorError(f"Port {port} is taken: choose another with --port, or 0 for a free one.") from None
        raise SimulatorError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    return int(runner.addresses[0][1])
