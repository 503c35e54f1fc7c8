"""The beat of the exchange: every few milliseconds, what is due goes out."""

from __future__ import annotations

import asyncio

from dataprovider.simulator.hub import Hub
from dataprovider.simulator.market import TICK_MS, Market, Skipped


class Pump:
    """Moves trades from the market to the hub."""

    def __init__(self, market: Market, hub: Hub) -> None:
        self._market = market
        self._hub = hub

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        beat = TICK_MS / 1000
        next_beat = loop.time() + beat
        while True:
            self.beat()
            # A late beat is not made up for: the next one sends everything that is due by then.
            now = loop.time()
            next_beat = max(next_beat + beat, now)
            await asyncio.sleep(next_beat - now)

    def beat(self) -> None:
        self._hub.deliver(self._market.due(self._market.now_ms()))

    def skip(self, ms: int) -> Skipped:
        """Move the market's clock forward: what was due goes out first, what happens in between never does.

        Raises SimulatorError where the clock cannot be moved.
        """
        self.beat()
        return self._market.advance(ms)

    async def halt(self, drained_within_s: float) -> None:
        """Stop the market, send everything it made, and wait until the sockets have taken it (or time is up)."""
        end_ms = self._market.stop()
        await asyncio.sleep(max(0, end_ms + 1 - self._market.now_ms()) / 1000)
        self._hub.deliver(self._market.due(end_ms))
        self._hub.release_held()
        for _ in range(int(drained_within_s * 1000 / TICK_MS)):
            if not any(connection.is_open and connection.waiting_bytes for connection in self._hub.connections):
                return
            await asyncio.sleep(TICK_MS / 1000)
