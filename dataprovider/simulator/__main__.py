"""`python -m dataprovider.simulator`: the same as `manage.py runexchange`, and quicker to start."""

from __future__ import annotations

import sys
from argparse import ArgumentParser

from dataprovider.simulator.commandline import HELP, add_arguments, serve


def main() -> int:
    parser = ArgumentParser("python -m dataprovider.simulator", description=HELP)
    add_arguments(parser)
    try:
        return serve(vars(parser.parse_args()))
    except KeyboardInterrupt:
        # Before the server could take care of it itself.
        return 130
    except OSError as error:
        sys.stderr.write(f"The simulated exchange cannot go on: {error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
