"""Binance's intervals, and any number of minutes: where a candle opens and where the next one does."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

MINUTE_MS = 60_000
DAY_MS = 1440 * MINUTE_MS
#: 1970-01-05 was a Monday: weeks begin there.
_FIRST_MONDAY_MS = 4 * DAY_MS
#: A month and a day: from any day of a month this reaches into the next.
_INTO_NEXT_MONTH_MS = 32 * DAY_MS
#: The longest number of minutes, 30 days, as in /api/v1.
MAX_MINUTES = 43_200
_NAMED = {"1h": 60, "2h": 120, "4h": 240, "6h": 360, "8h": 480, "12h": 720, "1d": 1440, "3d": 4320, "1w": 10_080}


@dataclass(frozen=True, slots=True)
class Interval:
    """`minutes` is its length, None for a calendar month. Times are milliseconds since 1970 (UTC)."""

    minutes: int | None
    offset_ms: int = 0

    @property
    def timeframe(self) -> int:
        """The minutes of the candles that the store folds: its own, or days where its own are not floored from 1970."""
        return 1440 if self.minutes is None or self.offset_ms else self.minutes

    def opening(self, ms: int) -> int:
        """When the candle opens that holds this time."""
        if self.minutes is None:
            month = datetime.fromtimestamp(ms // 1000, UTC).replace(day=1, hour=0, minute=0, second=0)
            return int(month.timestamp()) * 1000
        span = self.minutes * MINUTE_MS
        return (ms - self.offset_ms) // span * span + self.offset_ms

    def following(self, open_ms: int) -> int:
        """When the candle after the one that opens here opens."""
        if self.minutes is None:
            return self.opening(open_ms + _INTO_NEXT_MONTH_MS)
        return open_ms + self.minutes * MINUTE_MS


def interval_of(text: str) -> Interval | None:
    """The interval of a name such as 1m, 173m, 4h, 1w or 1M; None when it is none."""
    if text == "1M":
        return Interval(None)
    if text == "1w":
        return Interval(_NAMED[text], _FIRST_MONDAY_MS)
    if text in _NAMED:
        return Interval(_NAMED[text])
    if re.fullmatch(r"[1-9][0-9]{0,4}m", text, re.ASCII) and int(text[:-1]) <= MAX_MINUTES:
        return Interval(int(text[:-1]))
    return None
