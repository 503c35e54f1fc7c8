#!/usr/bin/env python
"""DataProvider's command line: `python manage.py help` lists the commands."""

import os
import sys


def main() -> int:
    try:
        return run()
    except KeyboardInterrupt:
        # Before a command could take care of it itself.
        return 130


def run() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dataprovider.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.stderr.write("Django is not installed here: run `make install`, then `.venv/bin/python manage.py …`.\n")
        return 2
    from dataprovider.problems import one_sentence

    try:
        execute_from_command_line(sys.argv)
    except BrokenPipeError:
        # Whoever read our output has had enough, as in `manage.py gaps | head`.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - the interpreter closes it
        return 1
    except Exception as error:
        sentence = one_sentence(error)
        if sentence is None or os.environ.get("DATAPROVIDER_TRACEBACK"):
            raise
        sys.stderr.write(f"{sentence}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
