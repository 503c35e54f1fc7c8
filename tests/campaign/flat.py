"""Whether a figure stays where it is: the slope of the second half of its samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How much a figure may grow over the second half by the line laid through it: the larger of a share of its mean
    there and so many of its units. What falls is flat.

    `floor_seconds`: of so long, only the least counts. For what comes and goes: the larger a table, the larger the
    merges that use memory and files for a while, but what is never given back raises the least, too. 0: all count.
    """

    share: float
    units: float
    floor_seconds: float = 0.0


#: RSS in MB: allocators and caches breathe by tens of megabytes. Handles and merges come and go one by one; pools of
#: threads grow to the most that was ever needed at once. Parts: where merges keep up, a partition has none to four of
#: each size, two on the average, and sizes are five times apart (ClickHouse's merge_selector_base). The second half
#: doubles what a partition holds: log5(2) = 0.43 sizes more, which is 0.9 parts, or 1.7 where all partitions fill in
#: step. Without merges each insert is one.
TOLERANCES = {
    "rss_mb": Tolerance(0.08, 16.0),
    "handles": Tolerance(0.05, 6.0),
    "threads": Tolerance(0.10, 24.0),
    "parts_per_partition": Tolerance(0.0, 2.0),
    "parts_in_merges": Tolerance(0.10, 12.0),
    "lag_ms": Tolerance(0.50, 100.0),
    "storage_delay_ms": Tolerance(0.50, 1500.0),
    # Merges of a table that grows.
    "clickhouse rss_mb": Tolerance(0.08, 16.0, floor_seconds=120.0),
    "clickhouse handles": Tolerance(0.05, 6.0, floor_seconds=120.0),
}


def tolerance_of(figure: str) -> Tolerance:
    """Of "<who> <what>": its own, or that of every <what>."""
    return TOLERANCES.get(figure) or TOLERANCES[figure.rpartition(" ")[2]]


@dataclass(frozen=True, slots=True)
class Trend:
    """`begin`, `middle`, `end`: means of the first tenth, of the tenth in the middle, and of the last. `most`: of all.
    `growth`: along the line through the second half (of the floors, where those count), from its beginning to its end.
    All in the figure's units."""

    begin: float
    middle: float
    end: float
    most: float
    growth: float
    flat: bool


def trend(times: Sequence[float], values: Sequence[float], tolerance: Tolerance) -> Trend:
    """Of at least ten samples; fewer are not flat."""
    figures = np.array(values, dtype=np.float64)
    if len(figures) < 10:
        mean = float(figures.mean()) if len(figures) else 0.0
        return Trend(mean, mean, mean, mean, 0.0, flat=False)
    half, tenth = len(figures) // 2, max(1, len(figures) // 10)
    moments, second = _floors(np.array(times[half:]), figures[half:], tolerance.floor_seconds)
    slope = float(np.polyfit(moments - moments[0], second, 1)[0])
    growth = slope * float(times[-1] - times[half])
    return Trend(
        float(figures[:tenth].mean()),
        float(figures[half : half + tenth].mean()),
        float(figures[-tenth:].mean()),
        float(figures.max()),
        growth,
        growth <= max(tolerance.share * abs(float(second.mean())), tolerance.units),
    )


def _floors(times: Array, values: Array, seconds: float) -> tuple[Array, Array]:
    """The least value of each stretch of about so many seconds, at least four of them, and the stretch's middle."""
    span = float(times[-1] - times[0])
    if not seconds or not span:
        return times, values
    count = max(4, int(span // seconds))
    stretch = np.minimum((times - times[0]) / span * count, count - 1).astype(np.int64)
    filled = [number for number in range(count) if (stretch == number).any()]
    floors = np.array([values[stretch == number].min() for number in filled])
    return times[0] + (np.array(filled) + 0.5) * span / count, floors
