"""TradingView's resolutions: a number of minutes, or days, a week, a month by their letters."""

from __future__ import annotations

import re

from api.binance.intervals import MAX_MINUTES, Interval, interval_of

#: What a chart's menu offers; any other number of minutes works too.
OFFERED = (
    *("1", "3", "5", "7", "15", "30", "60", "120", "173", "240", "360", "480", "720", "2850"),
    *("1D", "3D", "1W", "1M"),
)
_CALENDAR = {"W": "1w", "1W": "1w", "M": "1M", "1M": "1M"}


def resolution_of(text: str) -> Interval | None:
    """The interval of a resolution such as 15, 173, D, 3D, 1W or M; None when it is none."""
    if text in _CALENDAR:
        return interval_of(_CALENDAR[text])
    match = re.fullmatch(r"([1-9][0-9]{0,4})|([1-9][0-9]?)?D", text, re.ASCII)
    if match is None:
        return None
    minutes = int(match[1]) if match[1] else int(match[2] or 1) * 1440
    return Interval(minutes) if minutes <= MAX_MINUTES else None
