"""`manage.py runservices` in a process of its own, as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.embedded.children import CHECKOUT, plain_environment
from tests.embedded.clients import ask_clickhouse, ask_postgres, ask_valkey


class RunServices:
    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        # In a group of its own, like a terminal's foreground job.
        self.process = subprocess.Popen(
            [sys.executable, str(CHECKOUT / "manage.py"), "runservices", *options],
            cwd=folder,
            env=plain_environment(DATAPROVIDER_HOME="var", **environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    @property
    def output(self) -> IO[str]:
        assert self.process.stdout
        return self.process.stdout

    def read_until(self, text: str) -> str:
        said = ""
        while text not in said:
            line = self.output.readline()
            assert line, f"it ended without saying {text!r}: {said}"
            said += line
        return said


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunServices]:
    started = RunServices(tmp_path)
    yield started
    started.process.terminate()
    started.process.communicate(timeout=40)


def variables_in(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "var" / "services.json").read_text())
    return found


def pids_in(folder: Path) -> dict[str, int]:
    return {file.stem: json.loads(file.read_text())["pid"] for file in (folder / "var" / "run").glob("*.json")}


def test_it_says_where_the_services_are_and_no_password(running: RunServices, tmp_path: Path) -> None:
    said = running.read_until("Ctrl-C stops them.")
    variables = variables_in(tmp_path)
    ask_postgres(variables, "SELECT 1")
    ask_valkey(variables, "PING")
    ask_clickhouse(variables, "SELECT 1")
    assert f"127.0.0.1:{variables['CLICKHOUSE_NATIVE_PORT']}, 127.0.0.1:{variables['CLICKHOUSE_HTTP_PORT']}" in said
    assert str(tmp_path / "var" / "services.json") in said
    assert not [file.name for file in (tmp_path / "var" / "secrets").iterdir() if file.read_text() in said]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_its_whole_group_stops_everything_in_order(
    number: signal.Signals, running: RunServices, tmp_path: Path
) -> None:
    running.read_until("Ctrl-C stops them.")
    pids = pids_in(tmp_path)
    assert len(pids) == 3
    os.killpg(running.process.pid, number)
    said, errors = running.process.communicate(timeout=40)
    assert running.process.returncode == 0
    assert errors == ""
    assert said.endswith("Stopped.\n")
    assert not [pid for pid in pids.values() if Path(f"/proc/{pid}").exists()]
    assert not (tmp_path / "var" / "services.json").exists()
    assert "database system is shut down" in (tmp_path / "var" / "logs" / "postgres.log").read_text()


def test_ctrl_c_while_starting_leaves_nothing_behind(running: RunServices, tmp_path: Path) -> None:
    log = tmp_path / "var" / "logs" / "postgres.log"
    deadline = time.monotonic() + 20
    while not log.exists() and time.monotonic() < deadline:
        assert running.process.poll() is None
    os.killpg(running.process.pid, signal.SIGINT)
    said, errors = running.process.communicate(timeout=40)
    assert (running.process.returncode, errors) == (0, "")
    assert said.splitlines()[-1].startswith("Stopped")
    assert pids_in(tmp_path) == {}


def test_it_restarts_what_died_and_says_so(running: RunServices, tmp_path: Path) -> None:
    running.read_until("Ctrl-C stops them.")
    os.kill(pids_in(tmp_path)["valkey"], signal.SIGKILL)
    said = running.read_until("answers again")
    assert "Valkey ended (killed by signal 9) and is started again at once.\n" in said
    ask_valkey(variables_in(tmp_path), "PING")


def test_a_problem_is_one_sentence_and_exit_2(running: RunServices, tmp_path: Path) -> None:
    running.read_until("Ctrl-C stops them.")
    second = RunServices(tmp_path)
    said, errors = second.process.communicate(timeout=40)
    assert second.process.returncode == 2
    assert said == ""
    assert errors.startswith("Another one is running with the folder")
    assert len(errors.splitlines()) == 1


def test_a_service_named_in_the_env_file_is_not_started(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        "DATABASE_URL=postgresql://somewhere/else\nREDIS_URL=redis://somewhere\nCLICKHOUSE_HOST=somewhere\n"
    )
    said, errors = RunServices(tmp_path).process.communicate(timeout=40)
    assert said == "All three services are named in the environment: there is nothing to start.\nStopped.\n", errors
