"""Runs a target under Atheris, a coverage-guided fuzzer: `python -m tests.fuzz.frames --seconds 60`.

A target is a check of bytes that raises when something is wrong. What is found is printed with its traceback, and its
bytes stay in a file that is named; add them to the target's `FOUND`, which the tests try every time.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

#: The code whose branches guide the search.
OURS = ["api", "collectors", "dataprovider"]
#: A check that takes longer (seconds) or more memory (MB) is a finding.
LONGEST_S, MOST_MB = 10, 2000

Check = Callable[[bytes], None]


def must_be_short(error: Exception, most: int) -> None:
    """A refusal is a sentence, whatever was refused."""
    assert len(str(error)) < most, error


def run(target: Callable[[], Check], seeds: Sequence[bytes]) -> None:
    """Try the check for so long; exits with the fuzzer's status, 0 when nothing was found."""
    parser = argparse.ArgumentParser(description="Coverage-guided fuzzing of one parser.")
    parser.add_argument("--seconds", type=int, default=60)
    seconds = parser.parse_args().seconds
    try:
        import atheris
    except ImportError:
        sys.exit("Atheris is not installed: .venv/bin/python -m pip install -r requirements-fuzz.txt")
    with atheris.instrument_imports(include=OURS):
        check = target()
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-timeout={LONGEST_S}", f"-rss_limit_mb={MOST_MB}", "-max_len=4096"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/found-", str(folder)], check)
    atheris.Fuzz()
