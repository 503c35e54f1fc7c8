"""A worker as its supervisor sees it: the process, the pipe, and what it said last."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

from collectors import worker as worker_module
from collectors.backoff import Backoff
from collectors.messages import Assignment, Stop, WorkerSettings

#: A worker that lived this long (seconds) begins its restart delays anew.
LONG_LIFE = 60.0


class WorkerProcess:
    """One worker: its process, its pipe, and what it said last. A dead process is started again."""

    def __init__(self, settings: WorkerSettings) -> None:
        self.settings = settings
        self.number = settings.worker
        self.link: Connection | None = None
        self.process: Any = None
        self.held: dict[int, int] = {}
        self.low_epochs: dict[int, int] = {}
        self.told: Assignment | None = None
        self.heard = 0.0
        self.backoff = Backoff(first=0.2, most=30.0)
        self.start_at = 0.0
        self.started = 0.0

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.process is not None and self.process.is_alive()

    @property
    def pid(self) -> int | None:
        """Its process id, None while there is no process."""
        return None if self.process is None else int(self.process.pid)

    def start(self, context: Any, now: float) -> None:
        """Fork the process."""
        self.link, child = context.Pipe()
        self.process = context.Process(
            target=worker_module.main, args=(self.settings, child), name=f"worker-{self.number}", daemon=False
        )
        self.process.start()
        child.close()
        self.held, self.told, self.started, self.heard = {}, None, now, now

    def tell(self, order: Assignment | Stop) -> None:
        """Send an order; a worker that is gone is noticed elsewhere."""
        if self.link is not None:
            try:
                self.link.send(order)
            except OSError:
                return
            if isinstance(order, Assignment):
                self.told = order

    def buried(self, now: float) -> int | None:
        """Take note of the death of the process; its exit code."""
        code: int | None = self.process.exitcode
        self.process.join()
        if self.link is not None:
            self.link.close()
        self.link, self.process, self.told, self.held = None, None, None, {}
        if now - self.started > LONG_LIFE:
            self.backoff.reset()
        self.start_at = now + self.backoff.next_delay()
        return code
