"""From options to an exchange."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from dataprovider.simulator.absences import Absences
from dataprovider.simulator.archive_files import find_archives
from dataprovider.simulator.archive_overlay import OverlayShelf
from dataprovider.simulator.archive_shelf import DiskShelf, MadeUpShelf, Shelf
from dataprovider.simulator.archives import Archives
from dataprovider.simulator.clock import MovableClock, wall_ms
from dataprovider.simulator.clock_offset import OffsetFile
from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.faults import Faults
from dataprovider.simulator.lacking import LackingMarket
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
    market: Market
    shelf: Shelf
    if options.archive_dir is None:
        clock = MovableClock(wall_ms, OffsetFile(options.state_dir) if options.state_dir else None)
        listed = _listed(options, limits, clock()) or made_up_contracts(
            DEFAULT_SYMBOLS, clock(), limits.weight_per_minute
        )
        made_up = MadeUpMarket(
            listed.contracts,
            seed=options.seed,
            rate=options.rate,
            clock=clock,
            store=SegmentStore(options.state_dir) if options.state_dir else None,
            history_days=options.history_days,
            paused=options.paused,
        )
        faults, absences = _faults(options, made_up)
        market = LackingMarket(made_up, absences)
        shelf = MadeUpShelf(made_up, market, absences, work / "archives")
    else:
        files = find_archives(options.archive_dir)
        tapes = read_tapes(files, work / "tapes")
        listed = replayed_contracts(tapes, _listed(options, limits, wall_ms()), limits.weight_per_minute)
        replay = ReplayMarket(
            listed.contracts,
            tapes,
            speed=options.replay_speed,
            monotonic=time.monotonic,
            paused=options.paused,
        )
        faults, absences = _faults(options, replay)
        market = LackingMarket(replay, absences)
        shelf = DiskShelf(files, absences, work / "lacking")
    if options.archive_overlay is not None:
        shelf = OverlayShelf(shelf, _overlay(options.archive_overlay))
    archives = Archives(market, shelf, limits, faults, work / "spoiled")
    return Exchange(market, listed, archives, limits=limits, faults=faults)


def work_folder(options: Options) -> tempfile.TemporaryDirectory[str] | None:
    """A folder that goes away with the exchange; None when --state-dir keeps it."""
    return None if options.state_dir else tempfile.TemporaryDirectory(prefix="runexchange-")


def _faults(options: Options, market: Market) -> tuple[Faults, Absences]:
    faults = Faults(options.seed, [contract.symbol for contract in market.contracts])
    return faults, Absences(faults)


def _overlay(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SimulatorError(f"--archive-overlay: {folder} cannot be used ({error.strerror}).") from None
    return folder


def _listed(options: Options, limits: Limits, now_ms: int) -> ContractList | None:
    if isinstance(options.symbols, Path):
        return read_exchange_info(options.symbols, limits.weight_per_minute)
    if options.symbols is not None and options.archive_dir is None:
        return made_up_contracts(options.symbols, now_ms, limits.weight_per_minute)
    return None
