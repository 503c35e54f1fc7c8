"""How many examples a property is tried with: the same ones in every run, unless more are asked for."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings


def tried(examples: int, **options: Any) -> settings:
    """`examples` of them, always the same; PROPERTIES=20 makes it twenty times as many, others in each run."""
    times = int(os.environ.get("PROPERTIES", "0"))
    return settings(
        max_examples=examples * max(1, times),
        derandomize=not times,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **options,
    )
