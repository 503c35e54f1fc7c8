"""What a campaign tells: lines while it runs, and one JSON line in the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

Say = Callable[[str], None]


def teller() -> Say:
    """Lines on standard error, each with the seconds since the beginning."""
    began = time.monotonic()

    def say(text: str) -> None:
        sys.stderr.write(f"{time.monotonic() - began:7.1f} s  {text}\n")
        sys.stderr.flush()

    return say


@dataclass
class Result:
    """Of all runs together.

    sent: trades that the exchange had between the first it put on a wire and its last, and of the days of history.
    stored: rows of the table for those contracts. missing: ids of `sent` that are not stored. duplicated: rows beyond
    the first of an id. wrong: rows that differ from the exchange's trade in a field, or that it never had.
    candle_mismatches: candles that REST serves, or once called complete, and that are not the sums of their trades.
    longest_recovery_s: the longest time a gap was open. settled_s: from the end of the faults until all was there.
    gaps: by cause. unfinished: runs with something open after the bound. server_errors: answers 500 of the web. left:
    processes that outlived the stop.
    """

    runs: int = 0
    first_seed: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    stored: int = 0
    missing: int = 0
    duplicated: int = 0
    wrong: int = 0
    candles: int = 0
    candle_mismatches: int = 0
    longest_recovery_s: float = 0.0
    settled_s: float = 0.0
    gaps: Counter[str] = field(default_factory=Counter)
    unfinished: int = 0
    server_errors: int = 0
    left: int = 0
    seconds: float = 0.0

    @property
    def is_clean(self) -> bool:
        """Whether all that must be zero is, and something was proved at all."""
        bad = (self.missing, self.duplicated, self.wrong, self.candle_mismatches, self.unfinished)
        return self.sent > 0 and not any((*bad, self.server_errors, self.left))

    def line(self) -> str:
        """One line of JSON."""
        shown = {name: round(value, 1) if isinstance(value, float) else value for name, value in vars(self).items()}
        return json.dumps(shown)
