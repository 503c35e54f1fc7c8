"""What `make chaos` runs: with --seeds or --first-seed the simulation, otherwise the tests of outages on real parts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

#: What is run on the real parts.
OUTAGES = ("tests/collectors/test_outages.py", "tests/collectors/test_stream_faults.py")


def main(arguments: list[str]) -> int:
    """Run what was asked for; the exit status is 0 only if nothing was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="simulate N seeds (one, when only --first-seed is given)"
    )
    parser.add_argument(
        "--first-seed", type=int, metavar="K", help="the first of them (0); its trace, when it is alone"
    )
    parser.add_argument("--json", action="store_true", help="nothing but the result, as one line, on standard output")
    asked, rest = parser.parse_known_args(arguments)
    if asked.seeds is None and asked.first_seed is None:
        import pytest

        return int(pytest.main([*OUTAGES, *rest]))
    if rest or (asked.seeds or 1) < 1 or (asked.first_seed or 0) < 0:
        parser.error(f"not understood: {' '.join(rest) or 'a number below what makes sense'}")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")
    import django

    django.setup()
    from tests.simulation.campaign import campaign

    first, seeds = asked.first_seed or 0, asked.seeds or 1
    return campaign(range(first, first + seeds), as_json=asked.json)


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    sys.exit(main(sys.argv[1:]))
