"""A child that dies is started again, ever more slowly, until it has lived for long."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from dataprovider.running import Child
from tests.waiting import wait_until


def pause_before_restart(child: Child, noticed: float) -> float:
    """Seconds from when its end is noticed to its next start."""
    wait_until(lambda: not child.alive, 10, "the child to end")
    for tenths in range(400):
        if child.restart_if_dead(noticed + tenths / 10):
            return tenths / 10
    raise AssertionError("it was not started again within 40 s")


def test_the_pause_grows_and_begins_anew_after_a_long_life(tmp_path: Path) -> None:
    child = Child("short-lived", [sys.executable, "-c", ""], os.environ, tmp_path / "child.log")
    child.start()
    pauses = [pause_before_restart(child, time.monotonic()) for _ in range(4)]
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    assert pause_before_restart(child, time.monotonic() + 100) == 0.5
    child.stop()
