"""A month of candles of an odd timeframe, asked of ClickHouse: of the projection, and of the rows as originally."""

from __future__ import annotations

from typing import Any

from dataprovider.decimals import ONE
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground, timed
from tests.bench.history import SYMBOL, history, month


def measure(ground: Ground) -> list[Figure]:
    """Milliseconds for one answer, in turn; both answers are compared."""
    made = history(ground)
    asked: dict[str, Any] = {"symbol": SYMBOL, **month()}
    _compare(
        ground.store.query("candles_first", limit=10_000, **asked),
        made.original.run("candles", **asked),
    )
    rounds = ground.choose(5, 9)
    own: list[float] = []
    naive: list[float] = []
    for _ in range(rounds):
        own += [1000 * timed(lambda: ground.store.query("candles_first", limit=10_000, **asked)) for _ in range(5)]
        naive.append(1000 * timed(lambda: made.original.run("candles", **asked)))
    ground.say(f"candles: {Sample(own).median:.1f} ms, the original's way {Sample(naive).median:.0f} ms")
    return [
        Figure(
            "candles_month_173m_ms",
            "a month of 173m candles in ClickHouse",
            "ms",
            Sample(own),
            Sample(naive),
            "out of the rows of its own table, by timestamp",
            at_most=15,
            note=f"{made.rows:,} trades of the symbol, {made.total:,} in the table, merged",
        )
    ]


def _compare(own: list[tuple[Any, ...]], original: list[tuple[Any, ...]]) -> None:
    """Both ways found the same candles: time, highest, lowest, and how many trades."""
    ours = [(row[0], row[2] / ONE, row[3] / ONE, row[9]) for row in own]
    theirs = [(row[0], row[2], row[3], row[6]) for row in original]
    if ours != theirs:
        raise AssertionError("the two ways give different candles: they did not do the same work")
