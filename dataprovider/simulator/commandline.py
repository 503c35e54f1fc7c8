"""The simulator's command line: its options, its life, and what it says. Needs no Django, so that it starts quickly."""

from __future__ import annotations

import asyncio
import json
import sys
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from dataprovider.simulator.build import build_exchange, work_folder
from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.options import Options, read_options
from dataprovider.simulator.stopsignals import StopSignals

HELP = (
    "A Binance look-alike: REST, streams and archives of a made-up market, or of archive files that are replayed. "
    "Prints one JSON line when it listens; SIGTERM or Ctrl-C stop it. While it runs: GET /simulator/state and "
    "/simulator/sent; POST /simulator/start, /simulator/stop, /simulator/faults (GET says which there are, DELETE "
    'clears them) and /simulator/clock with {"advance_seconds": 3600}, which moves the clock of a made-up market '
    "forward."
)


def add_arguments(parser: ArgumentParser) -> None:
    """Every option; their values are checked by Options, which says in one sentence what is wrong."""
    add = parser.add_argument
    add("--host", help="address to listen on (127.0.0.1)")
    add("--port", help="port to listen on; 0 takes a free one (0)")
    add("--symbols", help="how many contracts to make up (100), or a saved exchangeInfo answer")
    add("--rate", help="trades a second over all contracts (1000)")
    add("--seed", help="the same seed gives the same market (1)")
    add("--archive-dir", help="replay every archive below this folder instead of making trades up")
    add("--replay-speed", help="how many times faster than real (1)")
    add(
        "--state-dir",
        help="remember the market and how far its clock was moved here, so that a restart goes on with it",
    )
    add("--history-days", help="days of history before the first start (3)")
    add("--paused", action="store_true", help="wait for POST /simulator/start")
    add("--archive-delay-hours", help="hours after midnight UTC until an archive appears; -1 at once (8)")
    add(
        "--archive-overlay",
        help="archives to serve at once, in place of the market's own or in addition to them: "
        "{daily|monthly}/SYM/SYM-aggTrades-DATE.zip below this folder, looked up at every request; a .CHECKSUM "
        "beside is served as it is, an empty .absent beside takes the archive away",
    )
    add("--look-back-hours", help="how far REST looks back (48)")
    add("--weight-limit", help="REST weight a minute and address (2400)")
    add("--connection-attempts", help="stream connections an address may attempt in 5 minutes (300)")
    add("--ping-seconds", help="how often streams are pinged (180)")
    add("--pong-seconds", help="how long a client has to answer a ping (600)")
    add("--life-seconds", help="how long a stream connection lives (86400)")
    add("--buffer-megabytes", help="what may wait for one slow reader before it is disconnected (64)")


def serve(given: Mapping[str, Any]) -> int:
    """Run until a signal; the exit status: 0, or 2 after one sentence on stderr that says what is wrong.

    A signal that comes before it listens ends it by SystemExit (StopSignals).
    """
    stops = StopSignals()
    try:
        options = read_options({name: given.get(name) for name in Options.model_fields})
        with stops.held():
            folder = work_folder(options)
        with folder or nullcontext(str(options.state_dir)) as work:
            exchange = build_exchange(options, Path(work))
            stops.hold()
            asyncio.run(
                exchange.serve(options.host, options.port, ready=_ready, report=_report, stopped=lambda: stops.came)
            )
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _ready(message: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(message)}\n")
    sys.stdout.flush()


def _report(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
