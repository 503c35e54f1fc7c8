"""Small pieces of text that several pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dataprovider.numbers import counted


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


def outcome(result: Mapping[str, Any]) -> str:
    """What a job notes for itself, as a sentence or two: days it has still to do, lacks, or found to differ; ids that
    the exchange does not have; where the contract's history begins."""
    parts = [
        f"{counted(len(days), 'day')} {what}: {spans(days)}"
        for name, what in (
            ("left", "to do"),
            ("no_archive", "without an archive"),
            ("differs", "whose stored trades are not the archive's"),
        )
        if (days := result.get(name))
    ]
    if result.get("absent"):
        parts.append(f"{counted(result['absent'], 'id')} absent upstream")
    if result.get("origin"):
        parts.append("the beginning of its history was reached")
    return ". ".join(parts) + "." if parts else "–"


def spans(days: Sequence[str]) -> str:
    """Days (ISO 8601, ascending) as ranges: 2024-01-01 to 2024-01-31, 2024-02-03."""
    found: list[list[date]] = []
    for day in map(date.fromisoformat, days):
        if found and day - found[-1][-1] == timedelta(days=1):
            found[-1][1:] = [day]
        else:
            found.append([day])
    return ", ".join(" to ".join(map(str, each)) for each in found)
