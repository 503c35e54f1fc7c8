"""From options to an exchange."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dataprovider.simulator.archive_files import find_archives
from dataprovider.simulator.archive_shelf import DiskShelf, MadeUpShelf, Shelf
from dataprovider.simulator.archives import Archives
from dataprovider.simulator.clock import wall_ms
from dataprovider.simulator.faults import Faults
from dataprovider.simulator.limits import Limits
from dataprovider.simulator.made_up import MadeUpMarket
from dataprovider.simulator.made_up_symbols import made_up_contracts
from dataprovider.simulator.market import Market
from dataprovider.simulator.options import Options
from dataprovider.simulator.replay import ReplayMarket, read_tapes, replayed_contracts
from dataprovider.simulator.segments import SegmentStore
from dataprovider.simulator.server import Exchange
from dataprovider.simulator.symbols import ContractList, read_exchange_info

DEFAULT_SYMBOLS = 100


def build_exchange(options: Options, work: Path) -> Exchange:
    """The exchange the options describe. `work` is a folder for what it makes and can make again.

    Must be called inside a running event loop. Raises SimulatorError.
    """
    limits = Limits(
        connection_attempts=options.connection_attempts,
        ping_every_s=options.ping_seconds,
        pong_within_s=options.pong_seconds,
        life_s=options.life_seconds,
        buffer_bytes=int(options.buffer_megabytes * 1_000_000),
        weight_per_minute=options.weight_limit,
        look_back_hours=options.look_back_hours,
        archive_delay_hours=options.archive_delay_hours,
    )
    shelf: Shelf
    if options.archive_dir is None:
        listed = _listed(options, limits) or made_up_contracts(DEFAULT_SYMBOLS, wall_ms(), limits.weight_per_minute)
        made_up = MadeUpMarket(
            listed.contracts,
            seed=options.seed,
            rate=options.rate,
            clock=wall_ms,
            store=SegmentStore(options.state_dir) if options.state_dir else None,
            history_days=options.history_days,
            paused=options.paused,
        )
        market: Market = made_up
        shelf = MadeUpShelf(made_up, work / "archives")
    else:
        files = find_archives(options.archive_dir)
        tapes = read_tapes(files, work / "tapes")
        listed = replayed_contracts(tapes, _listed(options, limits), limits.weight_per_minute)
        market = ReplayMarket(
            listed.contracts,
            tapes,
            speed=options.replay_speed,
            monotonic=time.monotonic,
            paused=options.paused,
        )
        shelf = DiskShelf(files)
    faults = Faults(options.seed, [contract.symbol for contract in market.contracts])
    archives = Archives(market, shelf, limits, faults, work / "spoiled")
    return Exchange(market, listed, archives, limits=limits, faults=faults)


def work_folder(options: Options) -> tempfile.TemporaryDirectory[str] | None:
    """A folder that goes away with the exchange; None when --state-dir keeps it."""
    return None if options.state_dir else tempfile.TemporaryDirectory(prefix="runexchange-")


def _listed(options: Options, limits: Limits) -> ContractList | None:
    if isinstance(options.symbols, Path):
        return read_exchange_info(options.symbols)
    if options.symbols is not None and options.archive_dir is None:
        return made_up_contracts(options.symbols, wall_ms(), limits.weight_per_minute)
    return None
