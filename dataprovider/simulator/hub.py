"""Who is subscribed to what, and handing trades to them."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from dataprovider.simulator.connection import Connection
from dataprovider.simulator.faults import Faults
from dataprovider.simulator.frames import websocket_frame
from dataprovider.simulator.klines import INTERVALS
from dataprovider.simulator.market import Run
from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import Int64s

logger = logging.getLogger(__name__)

MOST_DEPARTURES = 500_000
Departure = tuple[int, int, int, float]


@dataclass(slots=True)
class Sent:
    """What was put on at least one connection; each trade counted once."""

    first_id: int
    last_id: int
    count: int


class Hub:
    """Connections and subscriptions of one exchange. Belongs to the event loop's thread."""

    def __init__(self, contracts: Sequence[Contract], faults: Faults, *, buffer_bytes: int) -> None:
        self.connections: dict[Connection, None] = {}
        self.sent: dict[str, Sent] = {}
        self.sent_trades = 0
        self.clients_dropped = 0
        self.klines: dict[tuple[int, str], dict[Connection, None]] = {}
        self._contracts = contracts
        self._faults = faults
        self._buffer_bytes = buffer_bytes
        self._trades: list[dict[Connection, None]] = [{} for _ in contracts]
        self._by_name = {contract.stream_symbol: index for index, contract in enumerate(contracts)}
        self._slowed: dict[Connection, None] = {}
        #: When what left, once somebody asked: contract, first and last id, Unix time in ms.
        self._departures: deque[Departure] | None = None

    @property
    def subscriptions(self) -> int:
        return sum(len(connection.streams) for connection in self.connections)

    def subscribe(self, connection: Connection, name: str) -> None:
        """Unknown names (upper case, for one) are remembered and silent."""
        connection.streams[name] = None
        subscribers = self._subscribers(name)
        if subscribers is not None and not connection.silent:
            subscribers[connection] = None

    def unsubscribe(self, connection: Connection, name: str) -> None:
        connection.streams.pop(name, None)
        subscribers = self._subscribers(name)
        if subscribers is not None:
            subscribers.pop(connection, None)

    def remove(self, connection: Connection) -> None:
        for name in list(connection.streams):
            self.unsubscribe(connection, name)
        self.connections.pop(connection, None)
        self._slowed.pop(connection, None)

    def deliver(self, runs: Sequence[Run]) -> None:
        """Send runs to whoever is subscribed, one write for each connection."""
        touched: dict[Connection, None] = {}
        faulty = self._faults.touch_trades
        for run in runs:
            subscribers = self._trades[run.contract]
            if not subscribers:
                continue
            if faulty:
                self._deliver_faultily(run, subscribers, touched)
                continue
            sent = False
            for connection in subscribers:
                if connection.half_open or not connection.is_open:
                    continue
                connection.outgoing.append(run.frames.joined(run.start, run.end, wrapped=connection.wrapped))
                touched[connection] = None
                sent = True
            if sent:
                self._count(run.contract, run.frames.trades.id, [(run.start, run.end)])
        for connection in touched:
            self._flush(connection)
        if self._departures is not None and not faulty:
            self._note_departures(runs, self._departures)
        for connection in self._slowed:
            connection.flush_delayed()

    def take_departures(self) -> list[tuple[str, int, int, float]]:
        """Symbol, first and last id, and when they were handed to the sockets (Unix time, ms), since the last call.

        They are noted from the first call on, and as long as no fault touches trades.
        """
        taken, self._departures = self._departures or (), deque(maxlen=MOST_DEPARTURES)
        return [(self._contracts[contract].symbol, first, last, at) for contract, first, last, at in taken]

    def _note_departures(self, runs: Sequence[Run], departures: deque[Departure]) -> None:
        now = time.time() * 1000
        for run in runs:
            ids = run.frames.trades.id
            departures.append((run.contract, int(ids[run.start]), int(ids[run.end - 1]), now))

    def release_held(self) -> None:
        """Send what the reorder fault kept back."""
        for connection in self.connections:
            if connection.held:
                connection.outgoing += connection.held.values()
                connection.held.clear()
                self._flush(connection)

    def _deliver_faultily(self, run: Run, subscribers: dict[Connection, None], touched: dict[Connection, None]) -> None:
        symbol = self._contracts[run.contract].symbol
        pieces = self._faults.kept(symbol, run.start, run.end)
        sent = False
        for connection in subscribers:
            if connection.half_open or not connection.is_open:
                continue
            for start, end in pieces:
                payloads = run.frames.payloads(start, end, wrapped=connection.wrapped)
                frames = [websocket_frame(payload) for payload in payloads]
                connection.outgoing += self._faults.spoiled(connection, run.contract, frames)
                touched[connection] = None
                sent = True
        if sent:
            self._count(run.contract, run.frames.trades.id, pieces)

    def _flush(self, connection: Connection) -> None:
        delay = self._faults.delay_s
        if delay:
            self._slowed[connection] = None
        connection.flush(delay)
        if connection.waiting_bytes > self._buffer_bytes:
            logger.info("a client does not read: disconnected with %d bytes waiting", connection.waiting_bytes)
            self.clients_dropped += 1
            connection.abort()

    def _count(self, contract: int, ids: Int64s, pieces: Sequence[tuple[int, int]]) -> None:
        symbol = self._contracts[contract].symbol
        for start, end in pieces:
            self.sent_trades += end - start
            found = self.sent.get(symbol)
            if found is None:
                self.sent[symbol] = Sent(int(ids[start]), int(ids[end - 1]), end - start)
            else:
                found.last_id = int(ids[end - 1])
                found.count += end - start

    def _subscribers(self, name: str) -> dict[Connection, None] | None:
        symbol, _, kind = name.partition("@")
        contract = self._by_name.get(symbol)
        if contract is None:
            return None
        if kind == "aggTrade":
            return self._trades[contract]
        interval = kind.removeprefix("kline_")
        if interval != kind and interval in INTERVALS:
            return self.klines.setdefault((contract, interval), {})
        return None
