"""What `make chaos` runs: faults on the real stack, a soak of it (--soak), or simulated faults (--seeds)."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit status is 0 only if nothing was broken."""
    parser = _parser()
    asked = parser.parse_args(arguments)
    if asked.seeds is not None or asked.first_seed is not None:
        return _simulation(asked)
    from tests.campaign.faults import EXCHANGE, PROCESSES
    from tests.campaign.options import Options

    kinds = [each.name for each in (*PROCESSES, *EXCHANGE)]
    for name in asked.only or ():
        if name not in kinds:
            parser.error(f"argument --only: there is no fault {name!r}, but: {', '.join(kinds)}")
    options = Options(
        seed=asked.seed,
        runs=asked.runs,
        minutes=asked.minutes,
        rate=asked.rate,
        symbols=asked.symbols,
        workers=asked.workers,
        only=tuple(asked.only or ()),
        keep=asked.keep,
    )
    if asked.soak is not None:
        from tests.campaign.soak import soak

        return soak(options, asked.soak)
    from tests.campaign.run import campaign

    return campaign(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    real = parser.add_argument_group("on the real stack")
    real.add_argument("--seed", type=int, default=1, help="the order of the faults, and the market (1)")
    real.add_argument("--runs", type=_count, default=1, help="so many, each with the next seed (1)")
    real.add_argument("--minutes", type=_positive, help="of faults (until each kind came once)")
    real.add_argument("--rate", type=_count, default=3000, help="trades a second over all contracts (3000)")
    real.add_argument("--symbols", type=_count, default=120, help="contracts of the exchange (120)")
    real.add_argument("--workers", type=_count, default=2, help="collector processes (2)")
    real.add_argument("--only", action="append", metavar="KIND", help="this kind of fault alone; may be repeated")
    real.add_argument("--keep", action="store_true", help="keep logs and data though all went well")
    real.add_argument("--soak", type=_duration, metavar="TIME", help="no faults, but figures that stay flat: 30m, 5m")
    simulated = parser.add_argument_group("simulated")
    simulated.add_argument("--seeds", type=_count, metavar="N", help="so many (one, when only --first-seed is given)")
    simulated.add_argument(
        "--first-seed", type=_whole, metavar="K", help="the first of them (0); its trace, when it is alone"
    )
    simulated.add_argument(
        "--json", action="store_true", help="nothing but the result, as one line, on standard output"
    )
    return parser


def _simulation(asked: argparse.Namespace) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")
    import django

    django.setup()
    from tests.simulation.campaign import campaign

    first, seeds = asked.first_seed or 0, asked.seeds or 1
    return campaign(range(first, first + seeds), as_json=asked.json)


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def _positive(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return float(text)


def _duration(text: str) -> float:
    """Seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", text)
    if match is None or float(match[1]) <= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 30m or 90s")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    sys.exit(main(sys.argv[1:]))
