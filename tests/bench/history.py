"""A busy month in both tables, which several figures ask: one contract with most of the trades, and many others."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.ground import Ground, timed
from tests.bench.made_up import MONTH, MONTH_SECONDS, fill_month, fill_symbols, merged
from tests.bench.original import OriginalTable

SYMBOL = "BTCUSDT"
TIMEFRAME = 173


@dataclass(frozen=True, slots=True)
class History:
    """`rows` trades of SYMBOL in March 2024 and `others` contracts with `rows_each`, in the original's table too."""

    rows: int
    others: int
    rows_each: int
    original: OriginalTable

    @property
    def total(self) -> int:
        """All trades."""
        return self.rows + self.others * self.rows_each

    def let_go(self) -> None:
        """Hang up on the original's table."""
        self.original.client.disconnect()


def history(ground: Ground) -> History:
    """The month, made when it is first asked for."""
    if isinstance(ground.filled, History):
        return ground.filled
    ground.empty()
    rows, others, rows_each = ground.choose((600_000, 100, 500), (60_000_000, 800, 25_000))
    original = OriginalTable(ground.address)
    made = History(rows, others, rows_each, original)
    ground.start_web()
    seconds = timed(lambda: _fill(ground, made))
    ground.say(f"made {made.total:,} trades of {others + 1} symbols in both tables ({seconds:.0f} s)")
    ground.filled = made
    return made


def month() -> dict[str, int]:
    """The whole buckets of TIMEFRAME minutes in the month, as parameters of the candle queries (seconds)."""
    step = TIMEFRAME * 60
    return {"timeframe": TIMEFRAME, "since": -(-MONTH // step) * step, "until": (MONTH + MONTH_SECONDS) // step * step}


def _fill(ground: Ground, made: History) -> None:
    fill_month(ground.store, SYMBOL, made.rows)
    fill_symbols(ground.store, made.others, made.rows_each)
    merged(ground.store)
    made.original.copy()
    made.original.client.execute("OPTIMIZE TABLE trades_local FINAL")
