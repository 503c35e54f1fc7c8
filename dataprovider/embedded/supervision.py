"""One embedded service under supervision: brought up, watched, restarted with a growing back-off, stopped."""

from __future__ import annotations

import enum
import logging
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from dataprovider.embedded.home import DISK_FULL, disk_full, file_problem, is_full
from dataprovider.embedded.ports import Ports, is_free
from dataprovider.embedded.problems import ServiceProblem
from dataprovider.embedded.process import ServiceProcess
from dataprovider.embedded.service import Service

logger = logging.getLogger(__name__)

#: A service that does not answer this long after its start is given up, seconds. Crash recovery of a big ClickHouse or
#: Postgres comes within it.
READY_SECONDS = 120.0
STOP_SECONDS = 10.0
FIRST_BACK_OFF = 0.5
LONGEST_BACK_OFF = 30.0
#: A service that ran this long is healthy: the next restart is immediate again.
HEALTHY_SECONDS = 60.0
#: How often another port is tried when a freely chosen one was taken between choosing and listening.
PORT_TRIES = 3


class State(enum.Enum):
    STOPPED = "stopped"
    #: Its process was started; it does not answer yet.
    STARTING = "starting"
    RUNNING = "running"
    #: It ended by itself; started again when the back-off is over.
    WAITING = "waiting"


LEGAL = {
    State.STOPPED: {State.STARTING},
    State.STARTING: {State.RUNNING, State.WAITING, State.STOPPED},
    State.RUNNING: {State.WAITING, State.STOPPED},
    State.WAITING: {State.STARTING, State.STOPPED},
}


@dataclass(frozen=True)
class ServiceEvent:
    """Something that happened to a service: `what` is "died", "restarted", "back" or "failed"."""

    service: str
    what: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


def back_off(failures: int) -> float:
    """Seconds to wait before the next restart after this many failures in a row: 0, 0.5, 1, 2, … 30."""
    return min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2.0 ** (failures - 1)) if failures else 0.0


class SupervisedService:
    """One service and its process. `clock` is monotonic, seconds."""

    def __init__(
        self, service: Service, *, home: Path, starter: Executor, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._service = service
        self._clock = clock
        self._state = State.STOPPED
        self._since = self._last_complaint = self._not_before = 0.0
        self._failures = 0
        self._process = ServiceProcess(
            log=home / "logs" / f"{service.name}.log",
            record=home / "run" / f"{service.name}.json",
            stop_signal=service.stop_signal,
            starter=starter,
        )

    @property
    def name(self) -> str:
        return self._service.name

    @property
    def label(self) -> str:
        return self._service.label

    @property
    def pid(self) -> int | None:
        return self._process.pid

    @property
    def port(self) -> int:
        return self._service.port

    @property
    def ports(self) -> dict[str, int]:
        return dict(self._service.ports)

    @property
    def is_running(self) -> bool:
        """Whether its process lives and has answered."""
        return self._state is State.RUNNING and self._process.is_running

    def variables(self) -> dict[str, str]:
        return self._service.variables()

    def find(self) -> None:
        self._service.find()

    def end_leftover(self) -> None:
        self._process.end_leftover(STOP_SECONDS)

    def choose_ports(self, ports: Ports) -> None:
        self._service.choose_ports(ports)

    def bring_up(self, ports: Ports, cancelled: Event) -> None:
        """Start it and wait until it answers.

        Returns early when `cancelled` is set. Raises ServiceProblem when it does not come up.
        """
        for attempt in range(1, PORT_TRIES + 1):
            self._start()
            if self._wait_until_ready(cancelled) or cancelled.is_set():
                return
            taken = [name for name, port in self._service.ports.items() if not is_free(port)]
            self._process.stop(STOP_SECONDS)
            if attempt == PORT_TRIES or not taken or not all(ports.may_change(name) for name in taken):
                raise ServiceProblem(self._why_not())
            self._enter(State.STOPPED)
            self._service.choose_ports(ports)

    def check(self) -> list[ServiceEvent]:
        """See whether it lives, and restart it when it is time; never waits for it."""
        if self._state in (State.RUNNING, State.STARTING) and not self._process.is_running:
            return [self._died(), *self._restart_when_due()]
        if self._state is State.STARTING:
            return self._look_whether_ready()
        return self._restart_when_due()

    def ask_to_stop(self) -> None:
        self._process.ask_to_stop()

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Stop it gracefully, by force after `seconds`."""
        if not self._process.stop(seconds):
            logger.warning("%s did not stop within %g s and was killed", self.label, seconds)
        if self._state is not State.STOPPED:
            self._enter(State.STOPPED)

    def _start(self) -> None:
        try:
            self._service.prepare()
            self._process.start(self._service.launch())
        except OSError as error:
            raise file_problem(error, self._process.log.parent.parent) from error
        self._enter(State.STARTING)

    def _wait_until_ready(self, cancelled: Event) -> bool:
        while self._process.is_running and self._clock() - self._since < READY_SECONDS:
            if self._service.is_ready():
                self._enter(State.RUNNING)
                return True
            if cancelled.wait(0.01):
                return False
        return False

    def _died(self) -> ServiceEvent:
        now = self._clock()
        if self._state is State.RUNNING and now - self._since >= HEALTHY_SECONDS:
            self._failures = 0
        delay = back_off(self._failures)
        self._failures += 1
        self._not_before = now + delay
        self._enter(State.WAITING)
        when = f"in {delay:g} s" if delay else "at once"
        return self._event("died", f"{self.label} ended ({self._how()}) and is started again {when}.")

    def _restart_when_due(self) -> list[ServiceEvent]:
        if self._state is not State.WAITING or self._clock() < self._not_before:
            return []
        try:
            self._start()
        except ServiceProblem as problem:
            self._not_before = self._clock() + back_off(self._failures)
            self._failures += 1
            return [self._event("failed", str(problem))]
        return [self._event("restarted", f"{self.label} was started again on port {self.port}.")]

    def _look_whether_ready(self) -> list[ServiceEvent]:
        try:
            ready = self._service.is_ready()
        except ServiceProblem as problem:
            self._process.ask_to_stop()
            return [self._event("failed", str(problem))]
        if ready:
            took = self._clock() - self._since
            self._enter(State.RUNNING)
            return [self._event("back", f"{self.label} answers again, {took:.1f} s after its start.")]
        if self._clock() - self._last_complaint < READY_SECONDS:
            return []
        self._last_complaint = self._clock()
        return [self._event("failed", f"{self.label} was started but does not answer yet: see {self._process.log}.")]

    def _enter(self, state: State) -> None:
        if state not in LEGAL[self._state]:
            raise RuntimeError(f"{self.label} cannot go from {self._state.value} to {state.value}")
        self._state = state
        self._since = self._last_complaint = self._clock()

    def _event(self, what: str, sentence: str) -> ServiceEvent:
        return ServiceEvent(self.name, what, sentence)

    def _how(self) -> str:
        code = self._process.exit_code
        if code is not None and code < 0:
            return f"killed by signal {-code}"
        reason = self._process.reason()
        return f"exit code {code}: {reason}" if reason else f"exit code {code}"

    def _why_not(self) -> str:
        """Why it did not come up; asked after its process was stopped."""
        home = self._process.log.parent.parent
        # A full disk may not even have had room for the log's line.
        if DISK_FULL in self._process.log_end() or is_full(home):
            return disk_full(home)
        remedy = f"see {self._process.log}, or set {self._service.variable} to a {self.label} that is already running."
        reason = self._process.reason()
        said = f" Its last words: {reason}" if reason else ""
        return f"{self.label} did not start: {remedy}{said}"
