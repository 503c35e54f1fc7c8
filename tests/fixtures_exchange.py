"""The exchange simulator as a process of its own: `start_exchange(symbols=5, rate=100)` starts one."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN_S = 60.0
STOPPED_WITHIN_S = 20.0


class RunningExchange:
    """A simulator that listens. `url` is http://…, `stream_url` ws://… of the combined streams."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self._log = log
        # stderr is a file, not a pipe: nobody reads it while the exchange runs.
        with log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dataprovider.simulator", *arguments],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.pid = self.process.pid
        self.ready = self._wait_until_ready()
        self.port: int = self.ready["port"]
        self.url: str = self.ready["url"]
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.stream_url = f"{self.ws_url}/market/stream"
        self._session = requests.Session()

    def get(self, path: str, **params: Any) -> Any:
        """The JSON answer of a path, which must be 200."""
        answer = self.response(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def response(self, path: str, **params: Any) -> requests.Response:
        return self._session.get(self.url + path, params=params, timeout=60)

    def post(self, path: str, json: Any = None) -> Any:
        """The JSON answer to a POST, which must be 200."""
        answer = self._session.post(self.url + path, json=json, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post_response(self, path: str, json: Any = None) -> requests.Response:
        return self._session.post(self.url + path, json=json, timeout=60)

    def delete(self, path: str) -> Any:
        answer = self._session.delete(self.url + path, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fault(self, name: str, **parameters: Any) -> None:
        self.post("/simulator/faults", {"fault": name, **parameters})

    def advance(self, seconds: float) -> dict[str, Any]:
        """Move its clock forward; the state, and under `skipped` the event times that are never sent."""
        found: dict[str, Any] = self.post("/simulator/clock", {"advance_seconds": seconds})
        return found

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = self.get("/simulator/state")
        return found

    @property
    def sent(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = self.get("/simulator/sent")
        return found

    @property
    def errors(self) -> str:
        """What it wrote to stderr so far."""
        return self._log.read_text()

    def stop(self) -> int:
        """Stop gracefully; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """Die at once, as in a crash."""
        return self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.communicate(timeout=STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"the exchange did not stop within {STOPPED_WITHIN_S:g} s") from None
        finally:
            if hasattr(self, "_session"):
                self._session.close()
        return self.process.returncode

    def _wait_until_ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], READY_WITHIN_S)
        line = self.process.stdout.readline() if readable else ""
        if not line:
            self.process.kill()
            self.process.communicate()
            raise AssertionError(f"the exchange did not start: {self.errors}")
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.fixture
def start_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RunningExchange]]:
    """Start exchanges by option: start_exchange(symbols=5, paused=True). They are stopped after the test."""
    started: list[RunningExchange] = []

    def start(**options: Any) -> RunningExchange:
        arguments: list[str] = []
        for name, value in {"port": 0, **options}.items():
            option = f"--{name.replace('_', '-')}"
            if value is True:
                arguments.append(option)
            elif value is not False and value is not None:
                arguments += [option, str(value)]
        log = tmp_path_factory.mktemp("exchange") / "stderr.txt"
        exchange = RunningExchange(log, *arguments)
        started.append(exchange)
        return exchange

    yield start
    for exchange in started:
        exchange.stop()
    for exchange in started:
        assert "Traceback" not in exchange.errors, exchange.errors
