"""Killing services of a stack and waiting for them to be back."""

from __future__ import annotations

import os
import signal

from dataprovider.embedded import ServiceStack
from tests.waiting import wait_until


def kill(stack: ServiceStack, name: str) -> int:
    """kill -9 of one service; the pid it had."""
    pid = stack.services[name].pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    return pid


def check_until_back(stack: ServiceStack, *names: str) -> dict[str, list[str]]:
    """Call check() until all the named services answer again; everything that happened, by service."""
    seen: dict[str, list[str]] = {name: [] for name in names}

    def all_back() -> bool:
        for event in stack.check():
            seen[event.service].append(event.what)
        return all("back" in happened for happened in seen.values())

    wait_until(all_back, 30, f"{names} to be back")
    return seen
