"""One process of an embedded service: its start, its log file, its bounded stop, and what a crash left behind."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path

from dataprovider.embedded.identity import is_alive, started_at

logger = logging.getLogger(__name__)

LAUNCH = Path(__file__).with_name("launch.py")
#: A log bigger than this is put aside (one generation) when its service starts.
LOG_BYTES = 10_000_000
#: The end of the log that is searched for the reason of a failure, bytes.
REASON_BYTES = 8_192
#: After SIGKILL the kernel needs a moment, seconds.
KILL_SECONDS = 5.0
#: What a service may know of our environment. Everything else, passwords of other services among it, stays here.
PASSED_ON = ("PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class Launch:
    """How a service is started: an absolute command, its folder, and as whom."""

    command: Sequence[str]
    folder: Path
    #: Put before the command, for example `unshare --user …`.
    prefix: Sequence[str] = ()
    #: User and group id to become, None: stay who we are.
    user: tuple[int, int] | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    def full_command(self, *, death_signal: int) -> list[str]:
        """The command with the launcher that ties the service's life to this process (see launch.py)."""
        user, group = self.user or (-1, -1)
        launcher = [sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(death_signal))]
        return [*self.prefix, *launcher, str(user), str(group), *self.command]

    def environment(self) -> dict[str, str]:
        """The variables the service sees."""
        return {**{name: os.environ[name] for name in PASSED_ON if name in os.environ}, **self.variables}


class ServiceProcess:
    """Starts and stops one process. Not for use from several threads at once.

    `starter` runs the start itself. The kernel sends the death signal when the *thread* that started the process
    ends, so its thread must live as long as the service may.
    """

    def __init__(self, *, log: Path, record: Path, stop_signal: signal.Signals, starter: Executor) -> None:
        self.log = log
        self._record = record
        self._stop_signal = stop_signal
        self._starter = starter
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int | None:
        """The process's id, None before the first start."""
        return self._process.pid if self._process else None

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it), None while it runs or before the first start."""
        return self._process.poll() if self._process else None

    def start(self, launch: Launch) -> None:
        """Start the process in a session of its own, so that Ctrl-C in a terminal does not reach it."""
        _put_aside_when_big(self.log)
        with open(self.log, "ab", opener=_private) as log:
            self._log_start = log.tell()
            self._process = self._starter.submit(
                subprocess.Popen,
                launch.full_command(death_signal=self._stop_signal),
                cwd=launch.folder,
                env=launch.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            ).result()
        self._record.write_text(json.dumps({"pid": self._process.pid, "started": started_at(self._process.pid)}))

    def ask_to_stop(self) -> None:
        """Ask for a graceful stop, without waiting."""
        if self.is_running and self._process:
            _signal(self._process.pid, self._stop_signal)

    def stop(self, seconds: float) -> bool:
        """Stop gracefully within `seconds`, then by force; True when it went gracefully or was not running."""
        process = self._process
        graceful = True
        if process and process.poll() is None:
            self.ask_to_stop()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                graceful = False
                process.kill()
                process.wait(KILL_SECONDS)
        self._record.unlink(missing_ok=True)
        return graceful

    def end_leftover(self, seconds: float) -> int | None:
        """End what an earlier run recorded here and left alive; its pid, or None when there was nothing.

        A pid is only believed together with the moment the process started: pids are used again.
        """
        try:
            left = json.loads(self._record.read_text())
            pid, started = int(left["pid"]), str(left["started"])
        except (OSError, ValueError, TypeError, KeyError):
            return None
        found = is_alive(pid, started)
        if found:
            logger.warning("Ending process %d, left alive by an earlier run", pid)
            _signal(pid, self._stop_signal)
            if not _gone(pid, started, seconds):
                _signal(pid, signal.SIGKILL)
                _gone(pid, started, KILL_SECONDS)
        self._record.unlink(missing_ok=True)
        return pid if found else None

    def log_end(self) -> str:
        """The end of what the process has written to its log since its last start."""
        try:
            with self.log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_start, size - REASON_BYTES))
                return log.read().decode(errors="replace")
        except OSError:
            return ""

    def reason(self) -> str:
        """The line of the log that says best why the process ended; empty when it wrote nothing."""
        lines = [line.strip() for line in self.log_end().splitlines() if line.strip()]
        telling = [line for line in lines if any(mark in line for mark in ("FATAL", "PANIC", "Exception", "rror"))]
        return (telling or lines or [""])[-1]


def _gone(pid: int, started: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while is_alive(pid, started):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
        # A stopped process (Ctrl-Z, a debugger) must be able to see it.
        os.kill(pid, signal.SIGCONT)
    except (ProcessLookupError, PermissionError):
        pass


def _put_aside_when_big(log: Path) -> None:
    if log.is_file() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def run_to_end(launch: Launch, *, log: Path, seconds: float) -> tuple[int, str]:
    """Run a command to its end and append what it writes to `log`; its exit code and output.

    Raises subprocess.TimeoutExpired after `seconds`.
    """
    done = subprocess.run(
        launch.full_command(death_signal=signal.SIGKILL),
        cwd=launch.folder,
        env=launch.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
        start_new_session=True,
    )
    output = done.stdout.decode(errors="replace")
    with open(log, "a", opener=_private) as file:
        file.write(output)
    return done.returncode, output
