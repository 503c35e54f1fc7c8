"""The replay market: archives sent again as a stream, on the exchange's own clock."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from dataprovider.simulator.archive_files import ArchiveFile, read_rows
from dataprovider.simulator.clock import ReplayClock
from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.frames import FrameMaker, TradeFrames
from dataprovider.simulator.market import Run, Skipped
from dataprovider.simulator.symbols import Contract, ContractList, around_symbols, contract_of, decimals_of, entry
from dataprovider.simulator.trades import Int64s, Trades, no_trades

#: Rows carry no event time; they are sent this long after their time, the usual delay.
DELAY_MS = 154
#: The clock jumps over stretches longer than this without a trade, and stays this far from both ends of them.
QUIET_MS = 10_000
MARGIN_MS = 1_000


class ReplayMarket:
    """See market.Market. `tapes` are the trades by symbol, ids ascending."""

    kind = "replay"
    clock_offset_ms = 0

    def __init__(
        self,
        contracts: Sequence[Contract],
        tapes: dict[str, Trades],
        *,
        speed: float,
        monotonic: Callable[[], float],
        paused: bool = False,
    ) -> None:
        self.contracts = tuple(contracts)
        self._tapes = {contract.symbol: tapes.get(contract.symbol, no_trades()) for contract in contracts}
        self._clock = ReplayClock(_stretches(list(tapes.values())), speed, monotonic)
        self._frames = [
            TradeFrames(FrameMaker(contract, has_normal=False), self._tapes[contract.symbol]) for contract in contracts
        ]
        #: (next event, contract, position): the next trade of each contract.
        self._next = [(int(tape.event[0]), number, 0) for number, tape in enumerate(self._tapes.values()) if len(tape)]
        heapq.heapify(self._next)
        if not paused:
            self._clock.start()

    @property
    def running(self) -> bool:
        return self._clock.running

    @property
    def finished(self) -> bool:
        return not self._next

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def advance(self, ms: int) -> Skipped:
        raise SimulatorError("The clock of a replay follows its archives and cannot be moved; use --replay-speed.")

    def start(self) -> None:
        self._clock.start()

    def stop(self) -> int:
        self._clock.stop()
        return self._clock.now_ms()

    def due(self, until_ms: int) -> list[Run]:
        runs = []
        while self._next and self._next[0][0] <= until_ms:
            _, contract, start = self._next[0]
            frames = self._frames[contract]
            event = frames.trades.event
            end = start + int(np.searchsorted(event[start:], until_ms, "right"))
            runs.append(Run(contract, frames, start, end))
            if end < len(event):
                heapq.heapreplace(self._next, (int(event[end]), contract, end))
            else:
                heapq.heappop(self._next)
        return runs

    def ids(self, symbol: str, now_ms: int) -> tuple[int, int]:
        tape = self._tapes[symbol]
        end = int(np.searchsorted(tape.event, now_ms, "right"))
        return (int(tape.id[0]), int(tape.id[end - 1]) + 1) if end else (0, 0)

    def first_id_since(self, symbol: str, time_ms: int, now_ms: int) -> int:
        tape = self._tapes[symbol]
        end = int(np.searchsorted(tape.event, now_ms, "right"))
        # Times may go back by a little between neighbours; events never do and follow them.
        start = max(0, int(np.searchsorted(tape.event, time_ms + DELAY_MS, "left")))
        late = np.flatnonzero(tape.time[start:end] >= time_ms)
        if len(late):
            return int(tape.id[start + int(late[0])])
        return int(tape.id[end - 1]) + 1 if end else 0

    def time_of(self, symbol: str, first_id: int, now_ms: int) -> int | None:
        tape = self._tapes[symbol]
        place = int(np.searchsorted(tape.id, first_id, "left"))
        return int(tape.time[place]) if place < len(tape) and tape.event[place] <= now_ms else None

    def read(self, symbol: str, first_id: int, end_id: int) -> Iterator[Trades]:
        tape = self._tapes[symbol]
        start, end = np.searchsorted(tape.id, (first_id, end_id), "left").tolist()
        for place in range(start, end, 50_000):
            yield tape.cut(place, min(end, place + 50_000))

    def latest(self, symbol: str, count: int, end_id: int) -> Trades:
        tape = self._tapes[symbol]
        end = int(np.searchsorted(tape.id, end_id, "left"))
        return tape.cut(max(0, end - count), end)


def read_tapes(files: Sequence[ArchiveFile], folder: Path) -> dict[str, Trades]:
    """Every contract's rows: sorted by id, exact duplicates dropped (a stream has none), kept as files in `folder`.

    The columns are mapped from disk, so that months of trades need little memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tapes = {}
    for number, (symbol, group) in enumerate(groupby(files, key=lambda file: file.symbol)):
        pieces = [piece for file in group for piece in read_rows(file)]
        rows = np.concatenate(pieces) if pieces else np.empty((0, 7), dtype=np.int64)
        rows = _sorted_once(rows)
        event = np.maximum.accumulate(rows[:, 5] + DELAY_MS) if len(rows) else rows[:, 5]
        columns = np.ascontiguousarray(np.column_stack((rows, event)).T)
        path = folder / f"tape-{number}.npy"
        np.save(path, columns)
        tapes[symbol] = _tape(np.load(path, mmap_mode="r")) if len(rows) else no_trades()
    if not any(len(tape) for tape in tapes.values()):
        raise SimulatorError("--archive-dir: the archives hold no trades.")
    return tapes


def _sorted_once(rows: Int64s) -> Int64s:
    """By id, then first trade id; a row that is there twice only once."""
    number, price, quantity, first, last, time, maker = rows.T
    rows = rows[np.lexsort((maker, time, last, quantity, price, first, number))]
    again = np.zeros(len(rows), dtype=np.bool_)
    again[1:] = (rows[1:] == rows[:-1]).all(axis=1)
    found: Int64s = rows[~again]
    return found


def replayed_contracts(tapes: dict[str, Trades], listed: ContractList | None, weight_limit: int) -> ContractList:
    """The contracts of a replay: those listed, made-up entries for the others, with the decimals the trades need."""
    known = {contract.symbol: contract for contract in listed.contracts} if listed else {}
    contracts = [_with_decimals(known.get(symbol), symbol, tape) for symbol, tape in tapes.items() if len(tape)]
    others = [contract for symbol, contract in known.items() if symbol not in tapes or not len(tapes[symbol])]
    around = listed.around if listed else around_symbols(weight_limit)
    return ContractList((*contracts, *others), around)


def _with_decimals(contract: Contract | None, symbol: str, tape: Trades) -> Contract:
    price, quantity = (int(np.gcd.reduce(column)) for column in (tape.price, tape.quantity))
    needed = (decimals_of(price) if price else 0, decimals_of(quantity) if quantity else 0)
    if contract is None:
        info = entry(symbol, price_decimals=needed[0], quantity_decimals=needed[1], onboard_ms=int(tape.time.min()))
        return contract_of(info)
    return Contract(
        symbol,
        contract.tick,
        contract.step,
        max(contract.price_decimals, needed[0]),
        max(contract.quantity_decimals, needed[1]),
        contract.trading,
        contract.info,
    )


def _tape(columns: Int64s) -> Trades:
    number, price, quantity, first, last, time, maker, event = columns
    return Trades(number, price, quantity, None, first, last, time, event, maker.astype(np.bool_))


def _stretches(tapes: Sequence[Trades]) -> list[tuple[int, int]]:
    """When something happens: first and last milliseconds, apart by what the clock jumps over."""
    events = np.sort(np.concatenate([tape.event for tape in tapes]))
    breaks = np.flatnonzero(np.diff(events) > QUIET_MS)
    firsts = [int(events[0]), *events[breaks + 1].tolist()]
    lasts = [*events[breaks].tolist(), int(events[-1])]
    return [(first - DELAY_MS - MARGIN_MS, last + MARGIN_MS) for first, last in zip(firsts, lasts, strict=True)]
