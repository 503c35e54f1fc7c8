"""The simulated exchange: what it traded is known exactly; its streams and answers are as bad as chance has it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from collectors.batch import columns_of
from collectors.beginning import SUSPICIOUS_JUMP
from collectors.binance.rest import RateLimited, Unreachable
from collectors.trade import Trade
from dataprovider.clickhouse import TradeColumns
from tests.simulation.world import EPOCH_MS, Process, World

#: No contract begins with a lower aggregate id.
LEAST_ID = 10_000_000

EMPTY = TradeColumns(
    **{
        "symbol": np.array([], dtype=object),
        **{name: np.array([], dtype=np.uint64) for name in ("aggregate_id", "first_trade_id", "last_trade_id")},
        **{name: np.array([], dtype=np.int64) for name in ("price", "quantity", "timestamp")},
        "is_buyer_maker": np.array([], dtype=np.uint8),
    }
)


@dataclass
class Weather:
    """How bad this seed is: probabilities of each fault, zero for those that it does without."""

    drop: float = 0.0
    twice: float = 0.0
    late: float = 0.0
    absurd: float = 0.0
    absurd_first: float = 0.0
    quiet: float = 0.0
    absent: float = 0.0
    twin: float = 0.0
    rest_away: float = 0.0
    rest_lag: float = 0.0


@dataclass(eq=False)
class Line:
    """One stream connection: what arrives goes to `deliver`, until it is closed."""

    process: Process
    deliver: Callable[[list[Trade]], None]
    symbols: set[str] = field(default_factory=set)
    open: bool = True
    mute: bool = False
    sent: set[str] = field(default_factory=set)


class Exchange:
    """Trades of a few symbols. `truth`: symbol -> aggregate id -> its trades (two for an id that was used twice)."""

    def __init__(self, world: World, symbols: Iterable[str], weather: Weather, *, rate: float, speed: int) -> None:
        """`rate`: trades a second of each symbol; `speed`: how much faster its clock runs than the world's."""
        self._world = world
        self._weather = weather
        self._rate = rate
        self.speed = speed
        self.symbols = sorted(symbols)
        self.truth: dict[str, dict[int, list[Trade]]] = {symbol: {} for symbol in self.symbols}
        self.lines: list[Line] = []
        self.silent = False
        self._absurd_ids = 0
        self._heard: set[str] = set()
        self._next_id = {symbol: LEAST_ID + world.chance.randrange(10_000) for symbol in self.symbols}
        self._trade_id = dict(self._next_id)
        self._visible_at: dict[tuple[str, int], float] = {}
        for symbol in self.symbols:
            world.later(world.between(0, 1), partial(self._go_on, symbol))

    def now_ms(self) -> int:
        """The exchange's clock."""
        return EPOCH_MS + int(self._world.now * 1000) * self.speed

    def newest(self, symbol: str) -> int:
        """The highest id that was traded, -1 without one."""
        ids = self.truth[symbol]
        return max(ids) if ids else -1

    def connect(self, line: Line) -> None:
        """From now on it is sent what its symbols trade."""
        self.lines.append(line)

    def close(self, line: Line) -> None:
        """The connection is over; what was under way is lost."""
        line.open = False
        if line in self.lines:
            self.lines.remove(line)

    def _go_on(self, symbol: str) -> None:
        world = self._world
        alone = self._is_first(symbol) and world.happens(self._weather.quiet)
        pause = world.between(2, 90) if alone else world.chance.expovariate(self._rate)
        world.later(pause, lambda: self._go_on(symbol))
        if self.silent:
            return
        if alone:
            world.fault("quiet contract", symbol)
        traded = [self._trade(symbol) for _ in range(1 if alone else world.chance.choice((1, 1, 1, 2, 3, 8)))]
        if world.happens(self._weather.twin):
            world.fault("id used twice", symbol, traded[-1].aggregate_id)
            twin = self._made(symbol, traded[-1].aggregate_id)
            self.truth[symbol][twin.aggregate_id].append(twin)
            traded.append(twin)
        for line in list(self.lines):
            if symbol in line.symbols and not line.mute and line.process.alive:
                self._send(line, traded)

    def _is_first(self, symbol: str) -> bool:
        """Whether the next trade is the first of its contract that anybody is sent."""
        first = symbol not in self._heard and any(symbol in line.symbols and not line.mute for line in self.lines)
        if first:
            self._heard.add(symbol)
        return first

    def _trade(self, symbol: str) -> Trade:
        world = self._world
        if world.happens(self._weather.absent):
            self._next_id[symbol] += world.chance.randrange(1, 4)
            world.fault("ids that do not exist", symbol, self._next_id[symbol])
        trade = self._made(symbol, self._next_id[symbol])
        self._next_id[symbol] += 1
        self.truth[symbol][trade.aggregate_id] = [trade]
        lag = world.between(0, 4) if world.happens(self._weather.rest_lag) else 0.0
        self._visible_at[symbol, trade.aggregate_id] = world.now + lag
        return trade

    def _made(self, symbol: str, aggregate_id: int) -> Trade:
        chance = self._world.chance
        first = self._trade_id[symbol]
        self._trade_id[symbol] += chance.randrange(1, 4)
        at = self.now_ms()
        price = 4_200_000_000_000 + chance.randrange(-10_000, 10_000)
        maker = chance.random() < 0.5
        return Trade(
            symbol, aggregate_id, price, chance.randrange(1, 10**8), first, self._trade_id[symbol] - 1, at, maker, at
        )

    def _send(self, line: Line, traded: list[Trade]) -> None:
        world, weather = self._world, self._weather
        on_time = []
        if traded[0].symbol not in line.sent:
            line.sent.add(traded[0].symbol)
            if world.happens(weather.absurd_first):
                world.fault("absurd first id", traded[0].symbol)
                self._arrives(line, [self._absurd(traded[0])], 0.005)
        for trade in traded:
            if world.happens(weather.drop):
                world.fault("frame lost", trade.symbol, trade.aggregate_id)
                continue
            if world.happens(weather.late):
                world.fault("frame late", trade.symbol, trade.aggregate_id)
                self._arrives(line, [trade], world.between(0.05, 4.0))
                continue
            on_time.append(trade)
            if world.happens(weather.twice):
                world.fault("frame twice", trade.symbol, trade.aggregate_id)
                self._arrives(line, [trade], world.between(0.0, 3.0))
            if world.happens(weather.absurd):
                world.fault("absurd id", trade.symbol)
                self._arrives(line, [self._absurd(trade)], 0.02)
        if on_time:
            self._arrives(line, on_time, 0.01)

    def _absurd(self, trade: Trade) -> Trade:
        # No two of them make each other credible.
        self._absurd_ids += 2 * SUSPICIOUS_JUMP
        low = self._absurd_ids < LEAST_ID - SUSPICIOUS_JUMP and self._world.chance.random() < 0.2
        return trade._replace(aggregate_id=self._absurd_ids if low else 100 * LEAST_ID + self._absurd_ids)

    def _arrives(self, line: Line, trades: list[Trade], seconds: float) -> None:
        def deliver() -> None:
            if line.open:
                line.deliver(trades)

        self._world.later(seconds, deliver, line.process)

    # What follows is its REST, as `collectors.binance.rest.Rest` has it.

    def agg_trades(self, symbol: str, from_id: int, limit: int = 1000) -> TradeColumns:
        """The trades from an id on; the newest may not be there yet."""
        self._answer()
        found: list[Trade] = []
        for aggregate_id in sorted(self.truth[symbol]):
            if aggregate_id >= from_id and self._visible_at[symbol, aggregate_id] <= self._world.now:
                found.extend(self.truth[symbol][aggregate_id])
        return columns_of(found[:limit]) if found else EMPTY

    def server_time_ms(self) -> int:
        """Its clock."""
        self._answer()
        return self.now_ms()

    def agg_trades_between(self, symbol: str, start_ms: int, end_ms: int, limit: int = 1000) -> TradeColumns:
        """The first trades of a time; the newest may not be there yet."""
        self._answer()
        found = [
            trade
            for aggregate_id in sorted(self.truth[symbol])
            if self._visible_at[symbol, aggregate_id] <= self._world.now
            for trade in self.truth[symbol][aggregate_id]
            if start_ms <= trade.timestamp <= end_ms
        ]
        return columns_of(found[:limit]) if found else EMPTY

    def last_trade_ids(self) -> dict[str, int]:
        """Symbol -> the id of its last trade."""
        self._answer()
        return {
            symbol: self.truth[symbol][self.newest(symbol)][-1].last_trade_id
            for symbol in self.symbols
            if self.truth[symbol]
        }

    def last_aggregate_id(self, symbol: str) -> int | None:
        """The highest id."""
        self._answer()
        return self.newest(symbol) if self.truth[symbol] else None

    def _answer(self) -> None:
        self._world.sleep(self._world.between(0.02, 0.1))
        if self._world.happens(self._weather.rest_away):
            self._world.fault("REST away")
            raise self._world.chance.choice(
                (Unreachable("The exchange is away."), RateLimited("Too many requests.", 2.0))
            )
