"""The simulated ClickHouse: inserts under tokens, epochs and claims, and the named queries that the core asks.

It loses answers, is slow, hangs on inserts that come through later, crashes and comes back. What it does and does not
promise is held against the real one by test_contracts.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from dataprovider.clickhouse import ClickHouseUnavailable, StaleClaim, StaleEpoch, TradeColumns
from tests.simulation.world import World

T = TypeVar("T")

#: How long a client waits for the answer to an insert (seconds).
PATIENCE = 2.0


@dataclass
class StoreWeather:
    """Probabilities, a call each."""

    lose_answer: float = 0.0
    lose_request: float = 0.0
    hang: float = 0.0
    #: How many tokens are remembered (non_replicated_deduplication_window).
    remembered: int = 10_000


@dataclass(eq=False)
class Running:
    """An insert that passed the fences and is not yet committed."""

    token: str
    shard: int
    epoch: int
    claim: int | None
    trades: TradeColumns
    state: str = "running"


class Store:
    """One table for all. `rows`: symbol -> aggregate id -> the first_trade_ids stored under it."""

    def __init__(self, world: World, weather: StoreWeather) -> None:
        self._world = world
        #: One node, as the real one's.
        self.nodes = (self,)
        self.weather = weather
        self.down = False
        #: Inserts are committed before anything else happens, for a world that stands still.
        self.at_once = False
        self.rows: dict[str, dict[int, list[int]]] = {}
        self.count = 0
        #: Symbol -> the id that was stored first by whoever collects it.
        self.begun: dict[str, int] = {}
        #: Shard -> the epoch under which somebody collects: whoever is below must not store any more.
        self.opened: dict[int, int] = {}
        self._last_trade_ids: dict[tuple[str, int], int] = {}
        self._tokens: deque[str] = deque(maxlen=weather.remembered)
        self._epochs: dict[int, int] = {}
        self._revoked: set[int] = set()
        self._running: dict[str, Running] = {}

    def crash(self, seconds: float) -> None:
        """Gone for so long; what was under way is in the table or is not."""
        self._world.fault("store crashes")
        self.down = True
        for insert in list(self._running.values()):
            if self._world.chance.random() < 0.5:
                self._commit(insert)
            insert.state = "gone"
        self._running.clear()

        def back() -> None:
            self.down = False

        self._world.later(seconds, back)

    def at(self, shard: int) -> int:
        """The epoch below which nothing is stored."""
        return self._epochs.get(shard, 0)

    def has(self, symbol: str, aggregate_id: int) -> bool:
        """Whether a trade of this id is stored."""
        return aggregate_id in self.rows.get(symbol, {})

    def insert_trades(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, query_id: str) -> None:
        """As the real one."""
        if len(trades):
            self._insert(Running(token, shard, epoch, None, trades), query_id)

    def insert_repair(self, trades: TradeColumns, *, token: str, shard: int, epoch: int, claim: int, part: int) -> None:
        """As the real one."""
        if len(trades):
            self._insert(Running(token, shard, epoch, claim, trades), f"{shard}:{epoch}:{claim}-{part}")

    def number_of(self, shard: int) -> int:
        """As the real one."""
        return 0

    def epoch_of(self, shard: int) -> int:
        """As the real one."""
        return int(self._call("epoch_of", lambda: self._epochs.get(shard, 0)))

    def raise_epoch(self, shard: int, epoch: int) -> None:
        """As the real one."""
        self._call("raise_epoch", lambda: self._raise(shard, epoch))
        if self.epoch_of(shard) > epoch:
            raise StaleEpoch("The shard is at a higher epoch already.")

    def kill_inserts(self, shard: int, below_epoch: int) -> list[str]:
        """As the real one: what was not committed is not stored."""
        return self._call(
            "kill_inserts", lambda: self._kill(lambda each: each.shard == shard and each.epoch < below_epoch)
        )

    def revoke_claim(self, claim: int, *, shard: int) -> None:
        """As the real one."""
        self._call("revoke_claim", lambda: self._revoked.add(claim))
        self._call("kill_claim", lambda: self._kill(lambda each: each.claim == claim))

    def query(self, name: str, /, **params: Any) -> list[tuple[Any, ...]]:
        """The rows of a named query."""
        work: Callable[..., list[tuple[Any, ...]]] = getattr(self, f"_{name}")
        return self._call(name, lambda: work(**params))

    def _call(self, what: str, work: Callable[[], T]) -> T:
        world = self._world
        world.sleep(0.004)
        if self.down or not world.reaches("store"):
            raise ClickHouseUnavailable("The store is away.")
        if world.happens(self.weather.lose_request):
            world.fault("request lost", what)
            raise ClickHouseUnavailable("The request was lost.")
        if world.happens(self.weather.hang):
            world.fault("request slow", what)
            world.sleep(world.between(0.1, 8.0))
        result = work()
        if world.happens(self.weather.hang):
            world.fault("answer slow", what)
            world.sleep(world.between(0.1, 3.0))
        if world.happens(self.weather.lose_answer):
            world.fault("answer lost", what)
            raise ClickHouseUnavailable("The answer was lost.")
        return result

    def _raise(self, shard: int, epoch: int) -> None:
        self._epochs[shard] = max(epoch, self._epochs.get(shard, 0))

    def _insert(self, insert: Running, query_id: str) -> None:
        world = self._world
        world.sleep(0.004)
        if self.down or not world.reaches("store"):
            raise ClickHouseUnavailable("The store is away.")
        if world.happens(self.weather.lose_request):
            world.fault("insert lost", query_id)
            raise ClickHouseUnavailable("The insert was lost.")
        if query_id in self._running:
            raise ClickHouseUnavailable("A query with this id is running.")
        if self._epochs.get(insert.shard, 0) > insert.epoch:
            raise StaleEpoch("stale epoch")
        if insert.claim in self._revoked:
            raise StaleClaim("revoked claim")
        self._running[query_id] = insert
        takes = 0.01
        if world.happens(self.weather.hang):
            takes = world.between(0.1, 8.0)
            world.fault("insert hangs", query_id, round(takes, 2))

        def end() -> None:
            if insert.state == "running":
                del self._running[query_id]
                self._commit(insert)

        if self.at_once:
            end()
        world.later(takes, end)
        world.sleep(min(takes, PATIENCE) + 0.001)
        if insert.state != "stored":
            raise ClickHouseUnavailable("The store did not answer the insert.")
        if self.down or not world.reaches("store") or world.happens(self.weather.lose_answer):
            world.fault("answer lost", query_id)
            raise ClickHouseUnavailable("The answer was lost.")

    def _commit(self, insert: Running) -> None:
        insert.state = "stored"
        world = self._world
        world.note("stored", insert.token, insert.epoch, len(insert.trades))
        if insert.token in self._tokens:
            return
        self._tokens.append(insert.token)
        opened = self.opened.get(insert.shard, 0)
        if insert.epoch < opened:
            world.violate("P10", f"{insert.token} was stored under epoch {insert.epoch} after {opened} was opened")
        trades = insert.trades
        for symbol, aggregate_id, first, last in zip(
            trades.symbol.tolist(),
            trades.aggregate_id.tolist(),
            trades.first_trade_id.tolist(),
            trades.last_trade_id.tolist(),
            strict=True,
        ):
            under = self.rows.setdefault(symbol, {}).setdefault(aggregate_id, [])
            if insert.claim is None:
                self.begun.setdefault(symbol, aggregate_id)
            if first in under:
                world.violate("P2", f"{symbol} {aggregate_id} was stored twice, now by {insert.token}")
            under.append(first)
            self._last_trade_ids[symbol, aggregate_id] = last
            self.count += 1

    def _kill(self, chosen: Callable[[Running], bool]) -> list[str]:
        gone = [query_id for query_id, insert in self._running.items() if chosen(insert)]
        for query_id in gone:
            self._running.pop(query_id).state = "gone"
            self._world.note("killed", query_id)
        return sorted(gone)

    # The named queries, as queries/*.sql describe them. Everything happens on one day.

    def _frontier(self, symbols: list[str], days: int) -> list[tuple[Any, ...]]:
        found = []
        for symbol in symbols:
            ids = self.rows.get(symbol)
            if ids:
                count = sum(map(len, ids.values()))
                total = sum(each * len(under) for each, under in ids.items()) % 2**64
                found.append((symbol, 1_700_006_400, count, min(ids), max(ids), total))
        return found

    def _stored_ids(self, symbol: str, first_id: int, last_id: int) -> list[tuple[Any, ...]]:
        ids = self.rows.get(symbol, {})
        return [(each, first) for each in range(first_id, last_id + 1) for first in ids.get(each, ())]

    def _missing_ranges(self, symbol: str, first_id: int, last_id: int) -> list[tuple[Any, ...]]:
        ids = self.rows.get(symbol, {})
        found: list[tuple[int, int]] = []
        start: int | None = None
        for each in range(first_id, last_id + 1):
            if each in ids:
                if start is not None:
                    found.append((start, each - 1))
                    start = None
            elif start is None:
                start = each
        if start is not None:
            found.append((start, last_id))
        return list(found)

    def _around_range(self, symbol: str, first_id: int, last_id: int) -> list[tuple[Any, ...]]:
        # Times are not kept here: what is missing is as old as is possible to say of nothing stored around it.
        return [(0, 0)]

    def _trades_from_id(self, symbol: str, from_id: int, limit: int) -> list[tuple[Any, ...]]:
        ids = self.rows.get(symbol, {})
        later = sorted(each for each in ids if each >= from_id)
        rows = [(each, 0, 0, 0, self._last_trade_ids[symbol, each]) for each in later for _ in ids[each]]
        return list(rows[:limit])
