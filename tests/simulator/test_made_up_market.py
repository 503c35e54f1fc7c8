"""The made-up market as formulas: counts never fall, blocks fit together, busy and quiet contracts look real."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataprovider.simulator.activity import MARKET_EPOCH_MS, CountCurve, rates
from dataprovider.simulator.blocks import BlockCache, ContractMarket
from dataprovider.simulator.clock import MovableClock
from dataprovider.simulator.made_up import DAY_MS, MadeUpMarket
from dataprovider.simulator.made_up_symbols import made_up_contracts
from dataprovider.simulator.segments import SegmentStore
from dataprovider.simulator.trades import joined

NOW = 1_795_340_000_000
CONTRACTS = made_up_contracts(60, NOW, 2400).contracts


def contract_market(rate: float, seed: int = 1) -> ContractMarket:
    return ContractMarket(CONTRACTS[1], seed=seed, rate=rate, cache=BlockCache())


@given(
    rate=st.floats(0.001, 20_000),
    key=st.integers(0, 2**64 - 1),
    begin=st.integers(MARKET_EPOCH_MS - 10 * DAY_MS, MARKET_EPOCH_MS + 4000 * DAY_MS),
    step=st.integers(0, 100_000),
)
def test_counts_never_fall(rate: float, key: int, begin: int, step: int) -> None:
    curve = CountCurve(rate, key)
    assert curve.at(begin) <= curve.at(begin + step)


@settings(deadline=None)
@given(
    rate=st.floats(0.002, 500),
    ms=st.integers(MARKET_EPOCH_MS, MARKET_EPOCH_MS + 2000 * DAY_MS),
    seed=st.integers(0, 2**63 - 1),
)
def test_an_index_is_found_in_the_block_that_holds_it(rate: float, ms: int, seed: int) -> None:
    market = contract_market(rate, seed)
    index = market.index_of(market.block_at(ms))
    for wanted in (index - 1, index, index + 1):
        block = market.block_with(wanted)
        assert market.index_of(block) <= wanted < market.index_of(block + 1)


@pytest.mark.parametrize("rate", [0.01, 0.5, 40, 3000])
def test_neighbouring_blocks_fit_together(rate: float) -> None:
    market = contract_market(rate)
    begin = market.block_at(NOW)
    blocks = [market.block(number) for number in range(begin, begin + 30)]
    trades = joined(blocks)
    assert len(trades) > 0
    assert np.all(np.diff(trades.id) == 1)
    assert np.all(np.diff(trades.time) >= 0)
    assert np.all(np.diff(trades.event) >= 0)
    assert np.all(trades.first[1:] > trades.last[:-1])
    assert np.all(trades.last >= trades.first)
    delays = trades.event - trades.time
    assert delays.min() >= 2
    assert delays.max() <= 160
    assert np.all(trades.price % CONTRACTS[1].tick == 0)
    assert np.all(trades.quantity % CONTRACTS[1].step == 0)
    assert trades.price.min() > 0
    assert trades.quantity.min() > 0
    assert trades.normal is not None
    assert np.all(trades.normal <= trades.quantity)
    jumps = [int(after.first[0] - before.last[-1]) for before, after in pairwise(b for b in blocks if len(b))]
    assert max(jumps) > 1, "trade ids have holes, as Binance's have"


def test_what_is_seen_at_a_time_is_what_was_sent_by_then() -> None:
    market = contract_market(300)
    begin = market.block_at(NOW)
    trades = joined([market.block(number) for number in range(begin, begin + 4)])
    for ms in range(market.starts(begin + 1), market.starts(begin + 2), 37):
        assert market.index_at_event(ms) == trades.id[0] + np.count_nonzero(trades.event <= ms)
        assert market.index_at_time(ms) == trades.id[0] + np.count_nonzero(trades.time < ms)


def test_activity_is_a_power_law_with_bursts_and_silence() -> None:
    shares = rates(CONTRACTS, 1000.0, 1)
    assert sum(shares) == pytest.approx(1000, rel=0.01)
    assert shares[0] == max(shares)
    assert shares[0] > 200
    trading = [share for share, contract in zip(shares, CONTRACTS, strict=True) if contract.trading]
    assert all(share <= 1 / 120 for share in trading[-2:])
    assert all(share == 0 for share, item in zip(shares, CONTRACTS, strict=True) if not item.trading)
    market = contract_market(200)
    begin = market.block_at(NOW)
    times = joined([market.block(number) for number in range(begin, begin + 20)]).time
    per_100_ms = np.bincount((times - times[0]) // 100)
    assert per_100_ms.max() > 3 * per_100_ms.mean(), "trades come in bursts"


def test_history_begins_at_midnight_and_reading_is_bounded_by_now() -> None:
    market = MadeUpMarket(CONTRACTS[:4], seed=1, rate=50, clock=MovableClock(lambda: NOW), history_days=2)
    begin = (NOW // DAY_MS - 2) * DAY_MS
    for contract in market.contracts:
        first, end = market.ids(contract.symbol, NOW)
        earliest = market.time_of(contract.symbol, first, NOW)
        assert earliest is not None
        assert begin <= earliest < begin + 600_000
        newest = market.latest(contract.symbol, 1, end)
        assert newest.event[0] <= NOW
        assert market.first_id_since(contract.symbol, 0, NOW) == first
        assert market.first_id_since(contract.symbol, NOW, NOW) == end
        assert market.time_of(contract.symbol, end, NOW) is None
    with pytest.raises(KeyError):
        market.ids("NOSUCHUSDT", NOW)


def test_halts_leave_no_trade_and_no_hole() -> None:
    now = [NOW]
    market = MadeUpMarket(CONTRACTS[:4], seed=1, rate=400, clock=MovableClock(lambda: now[0]), history_days=0)
    edges = []
    for _ in range(5):
        now[0] += 7_331
        end = market.stop()
        now[0] += 4_003
        edges.append((end, now[0]))
        market.start()
    now[0] += 20_000
    for contract in market.contracts:
        first, end = market.ids(contract.symbol, now[0])
        trades = joined(list(market.read(contract.symbol, max(first, end - 20_000), end)))
        assert np.all(np.diff(trades.id) == 1)
        assert np.all(trades.first[1:] > trades.last[:-1])
        for halted, resumed in edges:
            assert not np.any((trades.event > halted) & (trades.time < resumed))
    sent = market.due(now[0])
    btc = [run for run in sent if run.contract == 0]
    ids = np.concatenate([run.frames.trades.id[run.start : run.end] for run in btc])
    assert np.all(np.diff(ids) == 1), "what is handed out is every trade once, over all halts"
    assert ids[-1] == market.ids("BTCUSDT", now[0] // 5 * 5 - 1)[1] - 1


def test_after_a_crash_only_new_trades_are_sent(tmp_path: Path) -> None:
    now = [NOW]
    first = MadeUpMarket(
        CONTRACTS[:4], seed=1, rate=400, clock=MovableClock(lambda: now[0]), store=SegmentStore(tmp_path)
    )
    sent = [run.frames.trades.id[run.end - 1] for run in first.due(NOW + 5_000) if run.contract == 0]
    now[0] += 60_000
    second = MadeUpMarket(
        CONTRACTS[:4], seed=1, rate=400, clock=MovableClock(lambda: now[0]), store=SegmentStore(tmp_path)
    )
    runs = [run for run in second.due(now[0] + 2_000) if run.contract == 0]
    assert min(run.frames.trades.event[run.start] for run in runs) > now[0]
    begin = int(runs[0].frames.trades.id[runs[0].start])
    assert begin > sent[-1] + 1000
    assert begin == second.ids("BTCUSDT", now[0])[1], "the next after those REST shows at the restart"


def test_after_a_long_sleep_of_the_machine_the_market_goes_on_from_now() -> None:
    market = MadeUpMarket(CONTRACTS[:4], seed=1, rate=400, clock=MovableClock(lambda: NOW))
    market.due(NOW + 1_000)
    later = NOW + 3_600_000
    assert all(run.frames.trades.event[run.start] > later - 5 for run in market.due(later))
    runs = market.due(later + 2_000)
    assert sum(run.end - run.start for run in runs) == pytest.approx(800, rel=0.8)
    assert min(run.frames.trades.event[run.start] for run in runs) > later - 5
