"""What must hold in the simulated world, at every moment or in the end. The promises are numbered P1 to P14."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api.candles import Candle, Evidence, judged
from collectors.ingest import FLUSH_ROWS
from collectors.messages import BoundaryFound, GapFound
from collectors.models import UNFINISHED, Gap, GapStatus
from collectors.trade import Trade
from dataprovider.clickhouse.shards import shard_of
from integrity.models import JobStatus
from tests.simulation.candles import candle_of, is_of, minutes_of
from tests.simulation.exchange import Exchange
from tests.simulation.farm import Host
from tests.simulation.jobs import Jobs
from tests.simulation.postgres import Postgres
from tests.simulation.store import Store
from tests.simulation.worker import Worker
from tests.simulation.world import World

Range = tuple[int, int]

#: Whoever takes a shard over asks within so many seconds whether a contract has begun unseen.
ASKED_WITHIN = 30.0


class Promises:
    """Looks at everything and calls `World.violate`."""

    def __init__(self, world: World, exchange: Exchange, store: Store, postgres: Postgres, jobs: Jobs) -> None:
        self._world, self._exchange, self._store, self._postgres, self._jobs = world, exchange, store, postgres, jobs
        self.hosts: list[Host] = []
        self.workers: list[Worker] = []
        #: Symbol -> the id that was stored first: with that its collection begins.
        self.base = store.begun
        self._owner: dict[tuple[int, int], Worker] = {}
        self._found: dict[Worker, list[tuple[str, int, int]]] = {}
        self._on_disk: dict[Path, list[tuple[str, int]]] = {}
        self._verdicts: dict[Worker, int] = {}
        self._complete: dict[tuple[str, int], Candle] = {}
        #: The first trade that a worker received of a symbol of which nothing was stored: its id, and the epoch.
        self._firsts: dict[tuple[Worker, str], tuple[int, int]] = {}
        #: Shard, epoch, and when it was opened.
        self._opened: list[tuple[int, int, float]] = []
        postgres.closed = self._gap_closed
        postgres.recorded = self._boundary_recorded

    def watch(self, worker: Worker) -> None:
        """A new incarnation of a worker."""
        self.workers.append(worker)
        ranges = self._found.setdefault(worker, [])
        findings = worker.custody.findings
        found = findings.gaps.put

        class Heard:
            empty, get = findings.gaps.empty, findings.gaps.get

            @staticmethod
            def put(gap: GapFound) -> None:
                ranges.append((gap.symbol, gap.first_id, gap.last_id))
                found(gap)

        findings.gaps = Heard()  # type: ignore[assignment]

    def opened(self, worker: Worker, shard: int, epoch: int) -> None:
        """A worker begins to collect a shard."""
        self._world.note(worker.process.name, "collects shard", shard, "under", epoch)
        other = self._owner.setdefault((shard, epoch), worker)
        if other is not worker:
            self._world.violate("P10", f"{other.process.name} and {worker.process.name} own {shard} under {epoch}")
        self._opened.append((shard, epoch, self._world.now))
        self._store.opened[shard] = max(epoch, self._store.opened.get(shard, 0))

    def receive(self, worker: Worker, trades: list[Trade], take: Callable[[], None]) -> None:
        """Trades arrive at a worker: whoever was interrupted gets a verdict."""
        symbols = worker.custody.ingest.symbols
        due: dict[str, int] = {}
        for trade in trades:
            continuity = symbols[trade.symbol].continuity
            if continuity.next_id == -1:
                held = continuity.beginning.held if continuity.beginning is not None else ()
                due[trade.symbol] = 1 + sum(each.interrupted is not None for each in held)
            if continuity.beginning is not None and trade.aggregate_id in self._exchange.truth[trade.symbol]:
                epoch = symbols[trade.symbol].buffer.epoch
                self._firsts.setdefault((worker, trade.symbol), (trade.aggregate_id, epoch))
        before = sum(worker.custody.ingest.boundaries.values())
        take()
        ended = [name for name in due if symbols[name].continuity.next_id != -1]
        verdicts = sum(worker.custody.ingest.boundaries.values()) - before
        # Of what interrupted a beginning only that counts which was not before the first trade.
        if not len(ended) <= verdicts <= sum(due[name] for name in ended):
            self._world.violate("P8", f"{worker.process.name}: {verdicts} verdicts over {len(ended)} interruptions")

    def interrupted(self, worker: Worker, symbols: set[str]) -> None:
        """A worker was told of an interruption: the next trade must get a verdict."""
        for symbol in symbols:
            if worker.custody.ingest.symbols[symbol].continuity.next_id != -1:
                self._world.violate("P8", f"{worker.process.name} {symbol}: an interruption that nobody will judge")

    def check(self) -> None:
        """What holds at any moment."""
        for worker in self.workers:
            if worker.process.alive:
                self._check_memory(worker)
                self._check_bars(worker)
        open_ranges: dict[str, list[Range]] = {}
        for gap in self._postgres.gaps.values():
            if gap.status != GapStatus.RECOVERED:
                open_ranges.setdefault(gap.symbol.name, []).append((gap.first_id, gap.last_id))
        for host in self.hosts:
            if host.process.alive:
                for found in host.pending:
                    open_ranges.setdefault(found.symbol, []).append((found.first_id, found.last_id))
        for worker in self.workers:
            if worker.process.alive:
                self._check_nothing_unaccounted(worker, open_ranges)
            elif worker.kept is not None and worker.custody.ingest.held_back():
                self._world.violate("P1", f"{worker.process.name} took first trades with it that nobody was told of")
        self._check_firsts(open_ranges)

    def unfinished(self) -> list[str]:
        """What is not yet as it must be in the end: nothing missing, nothing open, nothing on its way."""
        found = [f"gap {gap} is {gap.status}" for gap in self._postgres.gaps.values() if gap.status in UNFINISHED]
        found += [
            f"job {job.pk} is {job.status}"
            for job in self._jobs.rows.values()
            if job.status not in (JobStatus.DONE, JobStatus.CANCELLED)
        ]
        for host in self.hosts:
            worker = host.seat.worker
            if worker is None or not worker.process.alive:
                found.append(f"{host.process.name} has no worker")
                continue
            if worker.custody.ingest.buffered_rows or worker.custody.writer.rows_in_memory:
                found.append(f"{worker.process.name} has rows in memory")
            for symbol, hole in worker.custody.ingest.held_back():
                found.append(f"{worker.process.name} holds {symbol} {hole.first_id}, its first trade")
        for (worker, symbol), (first, epoch) in self._firsts.items():
            if not self._store.has(symbol, first) and self._was_asked_for(symbol, epoch):
                found.append(f"{symbol} {first}, the first trade that {worker.process.name} received, is not stored")
        for symbol, base in self.base.items():
            stored = self._store.rows.get(symbol, {})
            missing = [each for each in self._exchange.truth[symbol] if each >= base and each not in stored]
            if missing:
                found.append(f"{symbol}: {missing[:8]} are not stored")
        return found

    def _was_asked_for(self, symbol: str, epoch: int) -> bool:
        """Whether who collected a symbol after that epoch had the time to ask for its first trade.

        It looks back in seconds, which are not those of an exchange whose clock runs faster.
        """
        later = [at for shard, opened, at in self._opened if shard == shard_of(symbol) and opened > epoch]
        had_time = len(later) == 1 or (len(later) > 1 and later[1] - later[0] > ASKED_WITHIN)
        return had_time and self._exchange.speed == 1

    def _gap_closed(self, gap: Gap) -> None:
        symbol, truth = gap.symbol.name, self._exchange.truth[gap.symbol.name]
        for each in range(gap.first_id, gap.last_id + 1):
            if each in truth and (gap.status == GapStatus.ABSENT_UPSTREAM or not self._store.has(symbol, each)):
                self._world.violate("P9", f"{symbol} {each} is not stored, and its gap is {gap.status}")

    def _boundary_recorded(self, found: BoundaryFound) -> None:
        before, after = found.last_before, found.first_after
        if before is None:
            right = "first"
        elif after == before + 1:
            right = "contiguous"
        else:
            right = "gap" if after > before else "overlap"
        if found.verdict != right:
            self._world.violate("P8", f"{found.symbol} {before} to {after} was called {found.verdict}")

    def _check_memory(self, worker: Worker) -> None:
        writer, ingest = worker.custody.writer, worker.custody.ingest
        waiting = sum(each.rows for each in writer._waiting() if each.batch is not None)
        if max(waiting, writer.rows_in_memory) > worker.max_rows:
            self._world.violate("P5", f"{worker.process.name} holds {waiting} rows, its bound is {worker.max_rows}")
        if any(len(buffer.rows) > FLUSH_ROWS for buffer in ingest.buffers.values()):
            self._world.violate("P5", f"{worker.process.name} does not seal its batches")

    def _check_nothing_unaccounted(self, worker: Worker, open_ranges: dict[str, list[Range]]) -> None:
        custody = worker.custody
        on_the_way = self._on_the_way(worker)
        searched = [each for suspects, _ in custody.keeper._searching for each in suspects]
        for symbol, tracked in custody.ingest.symbols.items():
            last, shard = tracked.continuity.last_id, shard_of(symbol)
            if last is None or symbol not in self.base or self._store.at(shard) > tracked.buffer.epoch:
                continue
            stored, mine = self._store.rows.get(symbol, {}), on_the_way.get(symbol, set())
            unknown = [
                each
                for each in self._exchange.truth[symbol]
                if self.base[symbol] <= each <= last and each not in stored and each not in mine
            ]
            if not unknown:
                continue
            ranges = [
                *open_ranges.get(symbol, ()),
                *((hole.first_id, hole.last_id) for hole in tracked.continuity.holes),
                *((first, until) for name, first, until in [*self._found[worker], *searched] if name == symbol),
            ]
            for each in unknown:
                if not any(first <= each <= until for first, until in ranges):
                    self._world.violate("P1", f"{symbol} {each} is nowhere, and {worker.process.name} is at {last}")
                    return

    def _check_firsts(self, open_ranges: dict[str, list[Range]]) -> None:
        """The first trade of a contract is on its way, stored, held until something bears it out, or named."""
        for (worker, symbol), (first, epoch) in self._firsts.items():
            if not worker.process.alive or self._store.has(symbol, first) or self._store.at(shard_of(symbol)) > epoch:
                continue
            tracked = worker.custody.ingest.symbols.get(symbol)
            beginning = tracked.continuity.beginning if tracked is not None else None
            named = [
                *open_ranges.get(symbol, ()),
                *((low, high) for name, low, high in self._found[worker] if name == symbol),
                *((hole.first_id, hole.last_id) for hole in (tracked.continuity.holes if tracked is not None else ())),
            ]
            if (
                first not in self._on_the_way(worker).get(symbol, ())
                and not (beginning is not None and beginning.of(first) is not None)
                and not any(low <= first <= high for low, high in named)
            ):
                self._world.violate("P1", f"{symbol} {first}, its first trade, is nowhere ({worker.process.name})")

    def _on_the_way(self, worker: Worker) -> dict[str, set[int]]:
        """Symbol -> the ids that a worker has taken in and not yet stored."""
        custody = worker.custody
        on_the_way: dict[str, set[int]] = {}
        for waiting in list(custody.writer._waiting()):
            if waiting.batch is not None:
                pairs = list(
                    zip(waiting.batch.columns.symbol, waiting.batch.columns.aggregate_id.tolist(), strict=True)
                )
            else:
                pairs = self._pairs_on_disk(worker, waiting.path)
            for symbol, each in pairs:
                on_the_way.setdefault(symbol, set()).add(each)
        for buffer in custody.ingest.buffers.values():
            for trade in buffer.rows:
                on_the_way.setdefault(trade.symbol, set()).add(trade.aggregate_id)
        return on_the_way

    def _pairs_on_disk(self, worker: Worker, path: Path | None) -> list[tuple[str, int]]:
        assert path is not None
        if path not in self._on_disk:
            columns = worker.spool.load(path).columns
            self._on_disk[path] = list(zip(columns.symbol, columns.aggregate_id.tolist(), strict=True))
        return self._on_disk[path]

    def _check_bars(self, worker: Worker) -> None:
        for bar in worker.custody.ingest.take_changed_bars():
            if bar.aggregates != bar.last_id - bar.first_id + 1:
                continue
            truth = self._exchange.truth[bar.symbol]
            trades = [truth[each] for each in range(bar.first_id, bar.last_id + 1) if each in truth]
            if any(len(each) > 1 for each in trades) or len(trades) != bar.aggregates:
                continue
            if not is_of(bar, candle_of(bar.minute, [each[0] for each in trades])):
                self._world.violate("P12", f"the minute {bar} is not its trades")

    def check_candles(self) -> None:
        """What is called closed and complete is what was traded, and changes no more."""
        for symbol, ids in self._store.rows.items():
            truth = self._exchange.truth[symbol]
            invented = [each for each in ids if each not in truth]
            if invented:
                self._world.violate("P9", f"{symbol} {invented[:3]} are stored and were never traded")
                continue
            stored = [trade for each, firsts in ids.items() for trade in truth[each] if trade.first_trade_id in firsts]
            candles = minutes_of(stored)
            absent = sorted(
                (gap.first_id, gap.last_id)
                for gap in self._postgres.gaps.values()
                if gap.status == GapStatus.ABSENT_UPSTREAM and gap.symbol.name == symbol
            )
            verdicts = judged(
                candles,
                timeframe=1,
                id_before=None,
                id_after=None,
                exchange_time=self._exchange.now_ms(),
                evidence=Evidence(absent=absent),
            )
            twins = {trades[0].timestamp // 60_000 for trades in truth.values() if len(trades) > 1}
            true = {candle.open_time: candle for candle in minutes_of(each[0] for each in truth.values())}
            for candle, verdict in zip(candles, verdicts, strict=True):
                before = self._complete.get((symbol, candle.open_time))
                if candle.open_time // 60_000 in twins or not (verdict.complete or before):
                    continue
                if candle != true[candle.open_time] or not verdict.complete:
                    self._world.violate(
                        "P12", f"{symbol}: {candle} was called complete, and it is {true[candle.open_time]}"
                    )
                self._complete[symbol, candle.open_time] = candle
