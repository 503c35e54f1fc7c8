"""One stack per DATAPROVIDER_HOME."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path

from dataprovider.embedded.problems import ServiceProblem

LOCK_FILE = "lock"


class HomeLock:
    """A lock on a folder, held until `release` or until the process ends, however it ends."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor: int | None = None
        # A forked child shares the lock: one that outlives us must not keep it.
        forget = weakref.WeakMethod(self.release)
        os.register_at_fork(after_in_child=lambda: (method := forget()) and method())

    def take(self) -> None:
        """Take the lock. Raises ServiceProblem when another process (or another stack of this one) holds it."""
        descriptor = os.open(self._home / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise ServiceProblem(
                f"Another one is running with the folder {self._home} (pid {holder or 'unknown'}): "
                "stop it, or set DATAPROVIDER_HOME to another folder."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
