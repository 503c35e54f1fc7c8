"""SIGTERM and SIGINT from the first moment of the simulator until its server takes them itself."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Each ends the process by SystemExit with 128 and its number, at once or when `held` is left; after `hold`, never.

    Masks of signals would not do: the threads of a library may have been begun before.
    """

    def __init__(self) -> None:
        self._came = 0
        self._holding = False
        for number in STOP_SIGNALS:
            signal.signal(number, self._come)

    @property
    def came(self) -> bool:
        """Whether there was one."""
        return bool(self._came)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside something is made that must not stay half made."""
        self.hold()
        try:
            yield
        finally:
            self._holding = False
        if self._came:
            raise SystemExit(128 + self._came)

    def hold(self) -> None:
        """From now on they are only noted (`came`), until somebody else takes them."""
        self._holding = True

    def _come(self, number: int, _frame: FrameType | None) -> None:
        self._came = number
        if not self._holding:
            raise SystemExit(128 + number)
