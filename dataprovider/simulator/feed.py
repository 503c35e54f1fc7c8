"""The running made-up market: makes each contract's blocks when their time comes and hands out what is due."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

import numpy as np

from dataprovider.simulator.blocks import LONGEST_DELAY_MS
from dataprovider.simulator.frames import FrameMaker, TradeFrames
from dataprovider.simulator.market import TICK_MS, Run
from dataprovider.simulator.segments import SegmentView
from dataprovider.simulator.trades import Trades


class Feed:
    """Runs of one segment, from a time on. `views` and `makers` are by contract; None has no trades."""

    def __init__(self, views: Sequence[SegmentView | None], makers: Sequence[FrameMaker], from_ms: int) -> None:
        self._views = views
        self._makers = makers
        self._from_ms = from_ms
        self._ticks: dict[int, list[Run]] = {}
        self._next_tick = from_ms // TICK_MS
        #: (time to make it, contract, block): the next block of each contract.
        self._blocks: list[tuple[int, int, int]] = []
        for contract, view in enumerate(views):
            if view is not None:
                block = view.market.block_at(from_ms)
                if from_ms < view.market.starts(block) + LONGEST_DELAY_MS:
                    block -= 1
                self._blocks.append((view.market.starts(block), contract, block))
        heapq.heapify(self._blocks)

    def due(self, until_ms: int) -> list[Run]:
        """Everything whose tick has ended by then and that was not handed out before."""
        self._make_blocks(until_ms)
        end = (until_ms + 1) // TICK_MS
        runs: list[Run] = []
        for tick in range(self._next_tick, end):
            runs += self._ticks.pop(tick, ())
        self._next_tick = max(self._next_tick, end)
        return runs

    def _make_blocks(self, until_ms: int) -> None:
        # A block's first trade is sent LONGEST_DELAY_MS after its start, so making it at its start is early enough.
        while self._blocks and self._blocks[0][0] <= until_ms:
            _, contract, block = self._blocks[0]
            view = self._views[contract]
            if view is None:
                raise AssertionError("only contracts with trades are queued")
            trades = view.market.block(block)
            if len(trades):
                self._schedule(contract, view.renumbered(trades), view.first.aggregate)
            heapq.heapreplace(self._blocks, (view.market.starts(block + 1), contract, block + 1))

    def _schedule(self, contract: int, trades: Trades, first_id: int) -> None:
        begin = max(
            int(np.searchsorted(trades.id, first_id, "left")),
            int(np.searchsorted(trades.event, self._from_ms, "right")),
        )
        if begin == len(trades):
            return
        frames = TradeFrames(self._makers[contract], trades)
        ticks = trades.event[begin:] // TICK_MS
        ends = np.flatnonzero(np.diff(ticks)) + 1 + begin
        starts = [begin, *ends.tolist()]
        for start, end, tick in zip(
            starts, [*ends.tolist(), len(trades)], ticks[np.array(starts) - begin].tolist(), strict=True
        ):
            self._ticks.setdefault(tick, []).append(Run(contract, frames, start, end))
