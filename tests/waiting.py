"""Waiting for a condition with a deadline: the only way tests wait."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Three test processes share the cores, and some of them start whole farms.
OTHERS_BESIDE = 2


def wait_until(condition: Callable[[], T], seconds: float, what: str, *, every: float = 0.05) -> T:
    """Call `condition` until its answer is true and return that answer; fail with `what` when that takes too long.

    `seconds`: how long it may take on a machine that has nothing else to do.
    """
    deadline = time.monotonic() + OTHERS_BESIDE * seconds
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(
                f"still waiting after {OTHERS_BESIDE * seconds:g} s for {what}; last answer: {answer!r}"
            )
        time.sleep(every)
