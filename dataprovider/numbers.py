"""Numbers on the command line, and in sentences."""

from __future__ import annotations

from argparse import ArgumentTypeError

from dataprovider.config import MOST_WORKERS


def port(text: str) -> int:
    """A TCP port, 1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def counted(number: int, noun: str) -> str:
    """1 job, 2 jobs, 12,000 jobs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def workers(text: str) -> int:
    """A number of worker processes: at most one for each shard."""
    number = positive(text)
    if number > MOST_WORKERS:
        raise ArgumentTypeError(f"{text!r} is more than the {MOST_WORKERS} shards there are to share")
    return number


def nodes(text: str) -> int:
    """A number of ClickHouse servers: at most one for each shard."""
    return workers(text)


def workers_or_none(text: str) -> int:
    """The same, or 0 for none."""
    return 0 if text == "0" else workers(text)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number
