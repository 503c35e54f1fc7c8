"""The other processes of the system as our children: a log file each, a bounded stop, a restart when they die."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from dataprovider.embedded.process import LAUNCH

logger = logging.getLogger(__name__)

#: Starts the simulated exchange without Django, in less than half the time.
EXCHANGE = (sys.executable, "-m", "dataprovider.simulator")
MANAGE = Path(__file__).resolve().parent.parent.parent / "manage.py"
STOP_SECONDS = 12.0
#: What a process said beside its log is put aside at a start when it is larger.
MOST_SAID_BYTES = 1_000_000
#: A process that lived this long (seconds) begins its pauses before a restart anew.
LONG_LIFE = 60.0


class ChildProblem(Exception):
    """A process of ours did not start, or ended; `str()` says which, why as far as its log tells, and where that is."""


class Child:
    """One long-running process. It writes its log itself; what else it says is beside that, in `<name>.out`."""

    def __init__(
        self, name: str, command: Sequence[str], environ: Mapping[str, str], log: Path, *, piped: bool = False
    ) -> None:
        """`piped`: its standard output is read by us (`output`) instead of going to the log."""
        self.name = name
        self.log = log
        self._said = log.with_suffix(".out")
        self.restarts = 0
        self._command = list(command)
        self._environ = dict(environ)
        self._piped = piped
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._restart_at = 0.0
        #: Ends in a row, none of them after a long life.
        self._failures = 0

    @property
    def pid(self) -> int | None:
        """Its process id, None before the start."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> IO[bytes]:
        """Its standard output, when `piped`."""
        assert self._process is not None
        assert self._process.stdout is not None
        return self._process.stdout

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C in the terminal is for us, who stop the children in order."""
        self._said.parent.mkdir(parents=True, exist_ok=True)
        if self._said.is_file() and self._said.stat().st_size > MOST_SAID_BYTES:
            self._said.replace(self._said.with_suffix(".out.1"))
        with self._said.open("ab") as log:
            self._process = subprocess.Popen(
                _dying_with_us(self._command),
                env=self._environ,
                cwd=MANAGE.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._piped else log,
                stderr=log,
                start_new_session=True,
            )
        self._started = time.monotonic()

    def restart_if_dead(self, now: float) -> bool:
        """Start it again when it ended, after a pause that grows; whether it was. `now`: time.monotonic()."""
        if self.alive:
            return False
        if not self._restart_at:
            if now - self._started > LONG_LIFE:
                self._failures = 0
            self._restart_at = now + min(30.0, 0.5 * 2**self._failures)
        if now < self._restart_at:
            return False
        self._restart_at = 0.0
        self.restarts += 1
        self._failures += 1
        self.start()
        return True

    def stop(self, seconds: float = STOP_SECONDS) -> int | None:
        """Ask it to stop, wait, and end it by force after `seconds`; its exit status."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                logger.warning("%s did not stop in %g s and is killed.", self.name, seconds)
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode

    def problem(self, what: str) -> ChildProblem:
        """The sentence for something that went wrong with it."""
        log = self.log if self.log.is_file() and _changed(self.log) > _changed(self._said) else self._said
        return ChildProblem(f"{what} It said: {last_line(log)} (the whole log: {log})")


def manage(*arguments: str) -> list[str]:
    """The command line of a manage.py command."""
    return [sys.executable, str(MANAGE), *arguments]


def run_manage(environ: Mapping[str, str], *arguments: str, seconds: float = 120.0) -> str:
    """Run a manage.py command to its end; what it printed. Raises ChildProblem with what it complained of."""
    done = subprocess.run(
        manage(*arguments),
        env=dict(environ),
        cwd=MANAGE.parent,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        complaint = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"exit status {done.returncode}"]
        raise ChildProblem(f"`manage.py {arguments[0]}` failed: {complaint[-1]}")
    return done.stdout


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            lines = [line for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        return "nothing"
    return lines[-1].strip()[:300] if lines else "nothing"


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.is_file() and path.stat().st_size else 0.0


def _dying_with_us(command: Sequence[str]) -> list[str]:
    """The command behind the launcher that has the kernel end it, gracefully, should this process be killed."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1"]
    return [*launcher, *command]
