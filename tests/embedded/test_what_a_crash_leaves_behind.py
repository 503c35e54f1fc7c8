"""kill -9 of everything, or of the process that runs the stack alone, does not stop the next start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataprovider.embedded.identity import started_at
from tests.embedded.children import StackInAProcess
from tests.embedded.clients import EVERYWHERE, read_everywhere, write_everywhere
from tests.embedded.conftest import StackMaker
from tests.waiting import wait_until

needs_death_signal = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="only Linux tells a child of its parent's death"
)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        yield process
        process.kill()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[StackInAProcess]:
    started = StackInAProcess(tmp_path)
    yield started
    started.clean_up()


@needs_death_signal
def test_services_end_gracefully_when_their_parent_is_killed(tmp_path: Path, child: StackInAProcess) -> None:
    child.kill()
    wait_until(lambda: not child.living, 15, "the services to end")
    assert "database system is shut down" in (tmp_path / "logs" / "postgres.log").read_text()
    assert "ready to exit" in (tmp_path / "logs" / "valkey.log").read_text()


def test_a_start_right_after_the_parent_was_killed_finds_the_data(
    tmp_path: Path, make_stack: StackMaker, child: StackInAProcess
) -> None:
    write_everywhere(child.variables)
    child.kill()
    assert make_stack(tmp_path).start() == child.variables
    assert read_everywhere(child.variables) == EVERYWHERE


def test_a_start_after_everything_was_killed_finds_the_data(
    tmp_path: Path, make_stack: StackMaker, child: StackInAProcess
) -> None:
    write_everywhere(child.variables)
    for pid in child.pids.values():
        os.kill(pid, signal.SIGKILL)
    child.kill()
    assert (tmp_path / "postgres" / "data" / "postmaster.pid").exists()
    assert make_stack(tmp_path).start() == child.variables
    assert read_everywhere(child.variables) == EVERYWHERE


def test_a_pid_file_that_names_a_living_stranger_does_not_stop_postgres(
    tmp_path: Path, make_stack: StackMaker, sleeper: subprocess.Popen[bytes]
) -> None:
    first = make_stack(tmp_path, "postgres")
    first.start()
    pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    first.stop()
    pid_file.write_text("\n".join([str(sleeper.pid), *lines[1:]]))
    make_stack(tmp_path, "postgres").start()
    assert sleeper.poll() is None


def test_a_service_left_alive_is_ended_before_the_next_start(
    tmp_path: Path, make_stack: StackMaker, sleeper: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "run").mkdir()
    record = {"pid": sleeper.pid, "started": started_at(sleeper.pid)}
    (tmp_path / "run" / "valkey.json").write_text(json.dumps(record))
    make_stack(tmp_path, "valkey").start()
    assert sleeper.wait(5) == -signal.SIGTERM


def test_a_stranger_with_the_pid_of_a_dead_service_is_left_alone(
    tmp_path: Path, make_stack: StackMaker, sleeper: subprocess.Popen[bytes]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "valkey.json").write_text(json.dumps({"pid": sleeper.pid, "started": "another boot:17"}))
    make_stack(tmp_path, "valkey").start()
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pid": "x", "started": 1}', "\0"])
def test_a_spoiled_record_does_no_harm(content: str, tmp_path: Path, make_stack: StackMaker) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "valkey.json").write_text(content)
    make_stack(tmp_path, "valkey").start()


def test_a_first_start_that_was_interrupted_is_begun_again(tmp_path: Path, make_stack: StackMaker) -> None:
    unfinished = tmp_path / "postgres" / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    (tmp_path / "postgres" / "password.new").touch()
    make_stack(tmp_path, "postgres").start()
    assert not unfinished.exists()
