"""Whether anything is missing, month by month: all symbols in one answer, and the original's query for one symbol."""

from __future__ import annotations

from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground, timed
from tests.bench.history import SYMBOL, history


def measure(ground: Ground) -> list[Figure]:
    """Milliseconds for one answer, in turn."""
    made = history(ground)
    symbols = len({row[0] for row in ground.store.query("check_months", symbols=[])})
    if symbols != made.others + 1:
        raise AssertionError(f"the check saw {symbols} symbols instead of {made.others + 1}")
    own: list[float] = []
    naive: list[float] = []
    for _ in range(ground.choose(5, 9)):
        own += [1000 * timed(lambda: ground.store.query("check_months", symbols=[])) for _ in range(3)]
        naive.append(1000 * timed(lambda: made.original.run("months", symbol=SYMBOL)))
    ground.say(
        f"integrity: {Sample(own).median:.1f} ms for all, the original's way {Sample(naive).median:.0f} ms for one"
    )
    return [
        Figure(
            "integrity_all_ms",
            "integrity of every symbol, month by month",
            "ms",
            Sample(own),
            Sample(naive),
            "its integrity query, for the busiest symbol alone",
            at_most=30,
            note=f"{symbols} symbols, {made.total:,} trades, merged",
        )
    ]
