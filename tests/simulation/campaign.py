"""Many seeds one after the other, and what they came to; one that fails is told with the command that replays it."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation.run import Result, simulate

#: So much of the trace of a failing seed is shown.
LINES = 120


def campaign(seeds: Sequence[int], *, as_json: bool) -> int:
    """Run them and print what came of it; 0 if every promise was kept by every seed."""
    # What production code says about trouble is not news here.
    logging.disable(logging.CRITICAL)
    began, faults, failed = time.monotonic(), Counter[str](), list[Result]()
    sent = 0
    for number, seed in enumerate(seeds, 1):
        result = simulate(seed)
        faults.update(result.faults)
        sent += result.sent
        if result.violations:
            failed.append(result)
            if not as_json:
                _say(f"\r{story(simulate(seed, traced=True))}\n")
        if not as_json and sys.stdout.isatty() and number % 20 == 0:
            _say(f"\r{number} of {len(seeds)} seeds, {len(failed)} failed ")
    if as_json:
        total = {
            "seeds": len(seeds),
            "first_seed": seeds[0],
            "failed": [result.seed for result in failed],
            "violations": [result.violations[0] for result in failed],
            "sent": sent,
            "faults": dict(faults.most_common()),
            "seconds": round(time.monotonic() - began, 1),
        }
        _say(json.dumps(total) + "\n")
    else:
        _say(f"\r{len(seeds)} seeds, {sent:,} trades, {faults.total():,} faults: {len(failed)} seeds failed.\n")
        if len(seeds) == 1 and not failed:
            _say(story(simulate(seeds[0], traced=True)) + "\n")
    return 1 if failed else 0


def story(result: Result) -> str:
    """What happened in a traced run, newest last, and how to see it again."""
    lines = [f"{line[0]:9.3f}  {' '.join(map(str, line[1:]))}" for line in result.trace[-LINES:]]
    head = f"Seed {result.seed} ({result.mode}): {'; '.join(result.violations) or 'every promise was kept'}"
    return "\n".join([head, *lines, f"Again: make chaos ARGS='--first-seed {result.seed}'"])


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
