"""Small pieces of text that several pages show."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


def duration(seconds: float) -> str:
    """About how long, for people: 45 s, 12 min, 3 h 20 min, 2 d 4 h."""
    span = timedelta(seconds=round(seconds))
    hours, rest = divmod(span.seconds, 3600)
    if span.days:
        return f"{span.days} d {hours} h"
    if hours:
        return f"{hours} h {rest // 60} min"
    return f"{rest // 60} min" if rest >= 120 else f"{rest} s"


def moment(milliseconds: int | None) -> str:
    """A time (ms since 1970) for people, UTC."""
    return "–" if milliseconds is None else f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S}"
