"""Stretches during which the made-up market ran without a halt, and the file that remembers them.

After a crash the market simply went on in between, as the real exchange would have. After a graceful stop it was
halted: nothing was traded, and ids go on where they ended. Other parameters begin a new segment whose ids follow too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from dataprovider.simulator.activity import rates
from dataprovider.simulator.blocks import BlockCache, ContractMarket
from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.symbols import Contract, fingerprint
from dataprovider.simulator.trades import Trades

STATE_FILE = "segments.json"
#: Older segments than the last so many are forgotten.
MOST_SEGMENTS = 500


class Parameters:
    """What decides every trade: seed, trades a second, contracts. Equal ones make equal markets."""

    def __init__(self, seed: int, rate: float, contracts: Sequence[Contract]) -> None:
        self.seed = seed
        self.rate = rate
        self.contracts = tuple(contracts)
        self.fingerprint = f"{seed}/{rate!r}/{fingerprint(contracts)}"
        self._cache = BlockCache()

    @cached_property
    def markets(self) -> dict[str, ContractMarket]:
        shares = rates(self.contracts, self.rate, self.seed)
        return {
            contract.symbol: ContractMarket(contract, seed=self.seed, rate=rate, cache=self._cache)
            for contract, rate in zip(self.contracts, shares, strict=True)
        }


@dataclass(frozen=True, slots=True)
class FirstIds:
    """The ids with which a contract begins a segment."""

    aggregate: int
    trade: int


class Segment:
    """One stretch: from `start_ms` to `end_ms` (None while it runs), with each contract's first ids."""

    def __init__(
        self, parameters: Parameters, start_ms: int, end_ms: int | None, first_ids: dict[str, FirstIds]
    ) -> None:
        self.parameters = parameters
        self.start_ms = start_ms
        self.end_ms = end_ms
        self.first_ids = first_ids
        self._views: dict[str, SegmentView] = {}

    def view(self, symbol: str) -> SegmentView | None:
        """One contract in this segment; None when it has no trades in it."""
        found = self._views.get(symbol)
        market = self.parameters.markets.get(symbol)
        if found is None and market is not None and market.rate > 0:
            found = self._views[symbol] = SegmentView(self, market, self.first_ids[symbol])
        return found

    def next_ids(self) -> dict[str, FirstIds]:
        """With what each contract goes on after this (ended) segment."""
        found = dict(self.first_ids)
        for symbol in self.parameters.markets:
            view = self.view(symbol)
            if view is not None:
                found[symbol] = view.next_ids()
        return found


class SegmentView:
    """One contract's trades in one segment, under their ids."""

    def __init__(self, segment: Segment, market: ContractMarket, first: FirstIds) -> None:
        self.segment = segment
        self.market = market
        self.first = first
        self._end: tuple[int, int] | None = None

    @cached_property
    def start_index(self) -> int:
        return self.market.index_at_time(self.segment.start_ms)

    @cached_property
    def id_shift(self) -> int:
        return self.first.aggregate - self.start_index

    @cached_property
    def trade_shift(self) -> int:
        return self.first.trade - self.market.trade_number(self.start_index)

    def end_id(self, now_ms: int) -> int:
        """The id after the last one sent at a time."""
        end_ms = self.segment.end_ms
        if end_ms is None or now_ms < end_ms:
            return max(self.first.aggregate, self.market.index_at_event(now_ms) + self.id_shift)
        if self._end is None or self._end[0] != end_ms:
            last = max(self.first.aggregate, self.market.index_at_event(end_ms) + self.id_shift)
            self._end = (end_ms, last)
        return self._end[1]

    def id_at_time(self, ms: int) -> int:
        """The id of the first trade at or after a time."""
        if ms <= self.segment.start_ms:
            return self.first.aggregate
        return self.market.index_at_time(ms) + self.id_shift

    def pieces(self, first_id: int, end_id: int) -> Iterator[Trades]:
        for piece in self.market.pieces(first_id - self.id_shift, end_id - self.id_shift):
            yield self.renumbered(piece)

    def renumbered(self, trades: Trades) -> Trades:
        return trades.shifted(self.id_shift, self.trade_shift)

    def next_ids(self) -> FirstIds:
        if self.segment.end_ms is None:
            raise ValueError("a segment that still runs has no next ids")
        end = self.end_id(self.segment.end_ms)
        return FirstIds(end, self.market.trade_number(end - self.id_shift) + self.trade_shift)


def beginning(parameters: Parameters, start_ms: int) -> dict[str, FirstIds]:
    """The first ids of a market that begins: the same for one seed, whenever its history begins."""
    found = {}
    for symbol, market in parameters.markets.items():
        base = 1_000_000 + market.key % 1_000_000_000
        if market.rate > 0:
            index = market.index_at_time(start_ms)
            found[symbol] = FirstIds(base + index, 3 * base + market.trade_number(index))
        else:
            found[symbol] = FirstIds(base, 3 * base)
    return found


class SegmentStore:
    """The segments on disk, in one file that is replaced whole. Raises SimulatorError when it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE_FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SimulatorError(f"--state-dir: {folder} cannot be used ({error.strerror}).") from None

    def load(self) -> list[Segment]:
        if not self._path.exists():
            return []
        try:
            found = orjson.loads(self._path.read_bytes())
            runs = [_parameters(run) for run in found["runs"]]
            return [_segment(item, runs) for item in found["segments"]]
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise SimulatorError(
                f"--state-dir: {self._path} is damaged ({type(error).__name__}); move it away to begin a new market."
            ) from None

    def save(self, segments: Sequence[Segment]) -> None:
        segments = segments[-MOST_SEGMENTS:]
        runs = list({segment.parameters.fingerprint: segment.parameters for segment in segments}.values())
        place = {run.fingerprint: number for number, run in enumerate(runs)}
        body = {
            "runs": [_plain_run(run) for run in runs],
            "segments": [
                {
                    "run": place[segment.parameters.fingerprint],
                    "start_ms": segment.start_ms,
                    "end_ms": segment.end_ms,
                    "first_ids": {key: [ids.aggregate, ids.trade] for key, ids in segment.first_ids.items()},
                }
                for segment in segments
            ],
        }
        draft = self._path.with_suffix(".new")
        try:
            draft.write_bytes(orjson.dumps(body))
            draft.replace(self._path)
        except OSError as error:
            raise SimulatorError(f"--state-dir: {self._path} cannot be written ({error.strerror}).") from None


def _plain_run(run: Parameters) -> dict[str, Any]:
    return {"seed": run.seed, "rate": run.rate, "contracts": [_plain(contract) for contract in run.contracts]}


def _plain(contract: Contract) -> list[Any]:
    return [
        contract.symbol,
        contract.tick,
        contract.step,
        contract.price_decimals,
        contract.quantity_decimals,
        contract.trading,
    ]


def _parameters(run: dict[str, Any]) -> Parameters:
    return Parameters(run["seed"], run["rate"], [_contract(item) for item in run["contracts"]])


def _contract(item: list[Any]) -> Contract:
    symbol, tick, step, price_decimals, quantity_decimals, trading = item
    return Contract(symbol, tick, step, price_decimals, quantity_decimals, trading, info={})


def _segment(item: dict[str, Any], runs: Sequence[Parameters]) -> Segment:
    ids = {symbol: FirstIds(*pair) for symbol, pair in item["first_ids"].items()}
    return Segment(runs[item["run"]], item["start_ms"], item["end_ms"], ids)
