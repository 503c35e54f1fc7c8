"""One process of a service: what it may see, what it says at its end, and how it is ended."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataprovider.embedded.process import LOG_BYTES, Launch, ServiceProcess
from tests.waiting import wait_until

DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServiceProcess]:
    with ThreadPoolExecutor(1) as starter:
        made = ServiceProcess(
            log=tmp_path / "log", record=tmp_path / "record", stop_signal=signal.SIGTERM, starter=starter
        )
        yield made
        made.stop(0)


def python(code: str, folder: Path) -> Launch:
    return Launch(command=[sys.executable, "-c", code], folder=folder)


def test_a_process_that_does_not_listen_is_killed_in_the_end(process: ServiceProcess, tmp_path: Path) -> None:
    process.start(python(DEAF, tmp_path))
    wait_until(lambda: "deaf" in process.log_end(), 10, "the process to be deaf")
    assert process.stop(0.2) is False
    assert process.exit_code == -signal.SIGKILL
    assert not (tmp_path / "record").exists()


def test_the_reason_is_the_line_that_tells_most(process: ServiceProcess, tmp_path: Path) -> None:
    process.start(python("print('starting'); print('FATAL: no such thing'); print('shut down')", tmp_path))
    wait_until(lambda: not process.is_running, 10, "the process to end")
    assert process.reason() == "FATAL: no such thing"


def test_the_reason_of_an_earlier_run_is_not_given_again(process: ServiceProcess, tmp_path: Path) -> None:
    process.start(python("print('FATAL: first run')", tmp_path))
    wait_until(lambda: not process.is_running, 10, "the first run to end")
    process.start(python("pass", tmp_path))
    wait_until(lambda: not process.is_running, 10, "the second run to end")
    assert process.reason() == ""


def test_a_big_log_is_put_aside(process: ServiceProcess, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * (LOG_BYTES + 1))
    process.start(python("print('new')", tmp_path))
    wait_until(lambda: not process.is_running, 10, "the process to end")
    assert (tmp_path / "log").read_text() == "new\n"
    assert (tmp_path / "log.1").stat().st_size == LOG_BYTES + 1


def test_a_command_that_is_not_there_is_said(process: ServiceProcess, tmp_path: Path) -> None:
    process.start(Launch(command=["/no/such/command"], folder=tmp_path))
    wait_until(lambda: not process.is_running, 10, "the process to end")
    assert process.reason() == "/no/such/command cannot be started: No such file or directory"
