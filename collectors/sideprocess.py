"""Processes that the supervisor runs beside its stream workers: started again when they die, stopped at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from collectors.backoff import Backoff

logger = logging.getLogger(__name__)

#: A process that lived this long (seconds) begins its restart delays anew.
LONG_LIFE = 60.0


class SideProcess:
    """One process. `target(link, *arguments)` runs in it until `link` says that it is to end, or breaks off."""

    def __init__(self, name: str, target: Callable[..., None], arguments: Sequence[Any] = ()) -> None:
        """`target` and `arguments` go through pickle: a function of a module that needs no Django to be imported."""
        self.name = name
        self._target = target
        self._arguments = tuple(arguments)
        self._process: Any = None
        self._link: Connection | None = None
        self._backoff = Backoff(first=0.5, most=30.0)
        self._start_at = self._started = 0.0

    @property
    def pid(self) -> int | None:
        """Its process id, None while it does not run."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.is_alive()

    def tend(self, context: Any, now: float) -> None:
        """Start it when it does not run and its time has come; `context` is multiprocessing's."""
        if self._process is not None and not self._process.is_alive():
            logger.error("%s ended with status %s: a new one is started.", self.name, self._process.exitcode)
            self._forget()
            if now - self._started > LONG_LIFE:
                self._backoff.reset()
            self._start_at = now + self._backoff.next_delay()
        if self._process is None and now >= self._start_at:
            self._link, child = context.Pipe()
            self._process = context.Process(target=self._target, args=(child, *self._arguments), name=self.name)
            self._process.start()
            child.close()
            self._started = now

    def tell_to_stop(self) -> None:
        """Say through its pipe that it is to end; a pipe that just breaks tells it that its supervisor died."""
        if self._link is not None:
            with suppress(OSError):
                self._link.send_bytes(b"stop")
            self._link.close()
            self._link = None

    def end(self) -> bool:
        """Wait no longer: kill it when it still runs; whether it had ended by itself."""
        by_itself = not self.alive
        if not by_itself:
            logger.error("%s did not stop in time and is killed.", self.name)
            self._process.kill()
        self._forget()
        return by_itself

    def _forget(self) -> None:
        if self._process is not None:
            self._process.join()
        self.tell_to_stop()
        self._process = None
