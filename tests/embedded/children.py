"""Running a stack in a process of its own, as a user would."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from dataprovider.embedded.identity import is_alive, started_at

CHECKOUT = Path(__file__).resolve().parent.parent.parent

START_AND_STAY = """
import json, sys, threading
from pathlib import Path
from dataprovider.embedded import ServiceStack

stack = ServiceStack(Path(sys.argv[1]), environ={})
variables = stack.start()
pids = {name: service.pid for name, service in stack.services.items()}
sys.stdout.write(json.dumps({"variables": variables, "pids": pids}) + "\\n")
sys.stdout.flush()
threading.Event().wait()
"""


def plain_environment(**more: str) -> dict[str, str]:
    """An environment that names no service."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), **more}


class StackInAProcess:
    """A stack started by another process, which then only waits."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", START_AND_STAY, str(home)],
            env=plain_environment(),
            cwd=CHECKOUT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout
        said = json.loads(self.process.stdout.readline())
        self.variables: dict[str, str] = said["variables"]
        self.pids: dict[str, int] = said["pids"]
        self._started = {pid: started_at(pid) for pid in self.pids.values()}

    @property
    def living(self) -> list[int]:
        """The services that still live."""
        return [pid for pid, started in self._started.items() if started and is_alive(pid, started)]

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test came to."""
        self.kill()
        for pid in self.living:
            os.kill(pid, signal.SIGKILL)

    def kill(self) -> None:
        """kill -9 of the process itself, not of its services."""
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def run_python(
    code: str, *arguments: str, environment: Mapping[str, str], options: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options, "-c", code, *arguments],
        env=environment,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
