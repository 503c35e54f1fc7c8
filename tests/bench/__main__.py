"""What `make bench` runs. Standard output has the table, or with --json one object; progress goes to standard error."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from collections.abc import Sequence

from dataprovider.embedded import ServiceProblem
from dataprovider.running.children import ChildProblem
from dataprovider.running.terminal import Stopped, ignore_signals, stoppable
from tests.bench.figure import Figure
from tests.bench.ground import DISK, Ground
from tests.bench.report import as_json, as_table, write_page

#: The modules that measure, in the order they run: those that share a filled table beside each other.
MEASURES = (
    "inserts",
    "live",
    "memory",
    "archive",
    "size",
    "candles",
    "integrity",
    "rest",
    "fanout",
    "growth",
    "nodes",
    "demo",
)


def main(arguments: Sequence[str]) -> int:
    """Run what was asked for; the exit status: 0, 1 after a problem (said in one sentence), 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="make bench",
        description="Speeds, each beside the original's way of doing the same work in the same run, on an embedded "
        "stack in a temporary folder that is removed at the end.",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"smaller tables and shorter runs: less than a minute and {DISK[0] // 10**9} GB of disk, instead of "
        f"20 to 25 minutes and {DISK[1] // 10**9} GB",
    )
    parser.add_argument("--only", nargs="+", choices=MEASURES, metavar="NAME", help=f"only these: {' '.join(MEASURES)}")
    parser.add_argument("--json", action="store_true", help="one object instead of the table; null: not measured")
    parser.add_argument("--write", action="store_true", help="also write the table into docs/PERFORMANCE.md")
    asked = parser.parse_args(arguments)
    if asked.write and asked.only:
        parser.error("--write is for a run of everything: leave --only out")
    ground = Ground(quick=asked.quick)
    figures: list[Figure] = []
    try:
        with stoppable():
            _run(ground, [name for name in MEASURES if name in (asked.only or MEASURES)], figures)
            if asked.write:
                write_page(figures, quick=asked.quick, store=ground.store)
    except Stopped:
        done = f" What was measured until then:\n{as_table(figures)}" if figures else ""
        sys.stderr.write(f"Stopped; cleaning up.{done}\n")
        return 130
    except (ServiceProblem, ChildProblem) as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    finally:
        ignore_signals()
        ground.stop()
    sys.stdout.write(f"{json.dumps(as_json(figures)) if asked.json else as_table(figures)}\n")
    return 0


def _run(ground: Ground, names: Sequence[str], figures: list[Figure]) -> None:
    began = time.monotonic()
    ground.say(f"starting services in {ground.home} (load average {os.getloadavg()[0]:.1f})")
    ground.start()
    for name in names:
        started = time.monotonic()
        figures += importlib.import_module(f"tests.bench.{name}").measure(ground)
        ground.say(f"{name}: {time.monotonic() - started:.1f} s")
    ground.say(f"done in {time.monotonic() - began:.0f} s (load average {os.getloadavg()[0]:.1f})")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
