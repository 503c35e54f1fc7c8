"""One contract's made-up trades, block by block: what happened in each few seconds follows from seed, symbol and time.

A block's trades are drawn by a generator seeded with (seed, symbol, block), so any block can be made again at any time.
Indexes count a contract's trades since MARKET_EPOCH_MS; segments (segments.py) turn them into ids.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from dataprovider.simulator.activity import MARKET_EPOCH_MS, CountCurve, PriceCurve, base_price, key_of
from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import Int64s, Trades, no_trades

#: Blocks are as long as it takes to hold about so many trades, so that quiet contracts have few of them.
TRADES_PER_BLOCK = 25
BLOCK_LENGTHS_MS = (5_000, 10_000, 20_000, 60_000, 300_000)
#: A trade is sent at most this long after its time (measured on Binance: 2-160 ms, median 154).
LONGEST_DELAY_MS = 160
#: An aggregate has at most this many fills; trade ids advance by as much, so that they jump at the ends of blocks.
MOST_FILLS = 4
FILLS_ODDS = (0.70, 0.86, 0.95)
BURST_SHARE = 0.45
BURST_MS = 40.0
MEDIAN_NOTIONAL = 160.0
#: How far prices stray inside a block, as a share of the price, times the root of its seconds.
JITTER = 5e-5
RPI_SHARE = 0.06


class BlockCache:
    """Recently made blocks, bounded by rows; safe to use from several threads."""

    def __init__(self, most_rows: int = 400_000) -> None:
        self._most_rows = most_rows
        self._rows = 0
        self._blocks: OrderedDict[tuple[int, int], Trades] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[int, int]) -> Trades | None:
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
            return found

    def put(self, key: tuple[int, int], trades: Trades) -> None:
        with self._lock:
            if key in self._blocks:
                return
            self._blocks[key] = trades
            self._rows += len(trades) + 1
            while self._rows > self._most_rows and len(self._blocks) > 1:
                self._rows -= len(self._blocks.popitem(last=False)[1]) + 1


class ContractMarket:
    """All trades of one contract under one seed and rate."""

    def __init__(self, contract: Contract, *, seed: int, rate: float, cache: BlockCache) -> None:
        self.contract = contract
        self.rate = rate
        self.key = key_of(seed, contract.symbol)
        self.block_ms = block_length(rate)
        #: Blocks of different contracts begin at different times, so that making them is spread evenly.
        self.offset_ms = self.key % self.block_ms
        self._origin_ms = MARKET_EPOCH_MS + self.offset_ms
        self._count = CountCurve(rate, self.key)
        self._price = PriceCurve(base_price(contract, self.key), self.key)
        self._cache = cache

    def block_at(self, ms: int) -> int:
        """The number of the block that holds `ms`."""
        return (ms - self._origin_ms) // self.block_ms

    def starts(self, block: int) -> int:
        return self._origin_ms + block * self.block_ms

    def index_of(self, block: int) -> int:
        """The index of a block's first trade, and of the trade after the last of the block before."""
        return self._count.at(self.starts(block))

    def block_with(self, index: int) -> int:
        """The block that holds the trade of an index. The contract must have trades at all (rate above 0)."""
        middle = MARKET_EPOCH_MS + int(index / self.rate * 1000)
        reach = int((self._count.slack_s + 2 / self.rate) * 1000) + 2 * self.block_ms
        low, high = self.block_at(middle - reach), self.block_at(middle + reach)
        while low < high:
            half = (low + high + 1) // 2
            if self.index_of(half) <= index:
                low = half
            else:
                high = half - 1
        return low

    def index_at_time(self, ms: int) -> int:
        """How many trades have a time before `ms`."""
        block = self.block_at(ms)
        return self.index_of(block) + int(np.searchsorted(self.block(block).time, ms, "left"))

    def index_at_event(self, ms: int) -> int:
        """How many trades have been sent at `ms`."""
        block = self.block_at(ms)
        if ms < self.starts(block) + LONGEST_DELAY_MS:
            block -= 1
        return self.index_of(block) + int(np.searchsorted(self.block(block).event, ms, "right"))

    def trade_number(self, index: int) -> int:
        """The first trade id of the aggregate with an index."""
        block = self.block_with(index)
        return int(self.block(block).first[index - self.index_of(block)])

    def pieces(self, start: int, end: int) -> Iterator[Trades]:
        """The trades of indexes start..end-1, in order, a block at a time."""
        while start < end:
            block = self.block_with(start)
            first = self.index_of(block)
            trades = self.block(block).cut(start - first, end - first)
            yield trades
            start += len(trades)

    def block(self, block: int) -> Trades:
        """A block's trades; ids are indexes, trade ids count from MOST_FILLS times the index."""
        start_ms = self.starts(block)
        first, end = self._count.at(start_ms), self._count.at(start_ms + self.block_ms)
        if first == end:
            return no_trades()
        found = self._cache.get((self.key, block))
        if found is None:
            found = self._made(block, start_ms, first, end - first)
            self._cache.put((self.key, block), found)
        return found

    def _made(self, block: int, start_ms: int, first: int, count: int) -> Trades:
        key = np.array([self.key, block & 0xFFFFFFFFFFFFFFFF], dtype=np.uint64)
        draw = np.random.Generator(np.random.Philox(key=key))
        time = start_ms + _arrivals(draw, count, self.block_ms)
        event = np.maximum.accumulate(np.maximum(time + _delays(draw, count), start_ms + LONGEST_DELAY_MS))
        fills = 1 + np.searchsorted(FILLS_ODDS, draw.random(count), "right")
        last = MOST_FILLS * first + np.cumsum(fills) - 1
        maker = draw.random(count) < 0.5
        price = self._prices(draw, start_ms, count, maker)
        steps = self._steps(draw, price)
        normal = np.where(draw.random(count) < RPI_SHARE, steps // 2, steps)
        return Trades(
            id=np.arange(first, first + count, dtype=np.int64),
            price=price,
            quantity=steps * self.contract.step,
            normal=normal * self.contract.step,
            first=last - fills + 1,
            last=last,
            time=time,
            event=event,
            maker=maker,
        )

    def _prices(self, draw: np.random.Generator, start_ms: int, count: int, maker: NDArray[np.bool_]) -> Int64s:
        opening, closing = self._price.at(start_ms), self._price.at(start_ms + self.block_ms)
        walk = np.cumsum(draw.standard_normal(count))
        share = np.arange(1, count + 1) / count
        bridge = (walk - share * walk[-1]) * (JITTER * (self.block_ms / 1000 / count) ** 0.5)
        middle = (opening + (closing - opening) * share + bridge * opening) * (1e8 / self.contract.tick)
        ticks: Int64s = np.floor(middle).astype(np.int64) + ~maker
        price: Int64s = np.maximum(ticks, 1) * self.contract.tick
        return price

    def _steps(self, draw: np.random.Generator, price: Int64s) -> Int64s:
        notional = MEDIAN_NOTIONAL * np.exp(1.4 * draw.standard_normal(len(price)))
        steps = notional / (price / 1e8) / (self.contract.step / 1e8)
        return np.clip(steps, 1, 1e9).astype(np.int64)


def block_length(rate: float) -> int:
    """How long the blocks of a contract with so many trades a second are, in ms."""
    wanted = TRADES_PER_BLOCK * 1000 / rate if rate else BLOCK_LENGTHS_MS[-1]
    return next((length for length in BLOCK_LENGTHS_MS if length >= wanted), BLOCK_LENGTHS_MS[-1])


def _arrivals(draw: np.random.Generator, count: int, block_ms: int) -> Int64s:
    """Sorted milliseconds within a block: some evenly spread, the rest in bursts."""
    spread = draw.random(count) * block_ms
    in_bursts = draw.random(count) < BURST_SHARE
    centres = draw.random(1 + count // 60) * block_ms
    chosen = centres[draw.integers(0, len(centres), count)] + draw.exponential(BURST_MS, count)
    arrivals = np.sort(np.where(in_bursts, chosen % block_ms, spread))
    return arrivals.astype(np.int64)


def _delays(draw: np.random.Generator, count: int) -> Int64s:
    """Milliseconds from a trade's time to its event: mostly about 154, now and then anything from 2."""
    usual = np.clip(153 + 2.5 * draw.standard_normal(count), 148, LONGEST_DELAY_MS)
    quick = draw.random(count) * 148 + 2
    return np.where(draw.random(count) < 0.15, quick, usual).astype(np.int64)
