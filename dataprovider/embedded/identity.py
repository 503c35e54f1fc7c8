"""Which process is meant: a pid together with the moment it started, since pids are used again."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def started_at(pid: int) -> str | None:
    """A text that no other process with this pid ever has; None when there is no such process (or it is a zombie).

    On Linux the boot and the kernel's count of ticks since then (man 5 proc_pid_stat, field 22), which a change of the
    clock does not touch.
    """
    if sys.platform != "linux":
        return _started_by_the_clock(pid)
    try:
        boot = BOOT_ID.read_text().strip()
        # The command's name, in parentheses, may itself hold spaces and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    if fields[0] == "X" or (fields[0] == "Z" and not _has_other_threads(pid)):
        return None
    return f"{boot}:{fields[19]}"


def is_alive(pid: int, started: str) -> bool:
    """Whether the process with this pid that started at that moment (see started_at) still lives."""
    return started_at(pid) == started


def _has_other_threads(pid: int) -> bool:
    """A killed process looks like a zombie while its last threads, and with them its ports, are still there."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except OSError:
        return False


def _started_by_the_clock(pid: int) -> str | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return None
