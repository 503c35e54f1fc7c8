"""Postgres refuses to be root: where root cannot make user namespaces it runs as `nobody`, or says why it cannot."""

from __future__ import annotations

import os
import pwd
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from dataprovider.embedded import ServiceProblem
from dataprovider.embedded.runas import namespaces_work
from tests.embedded.clients import ask_postgres
from tests.embedded.conftest import StackMaker
from tests.embedded.killing import check_until_back, kill

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="about root only")


def no_namespaces(program: Path) -> bool:
    return False


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter (pytest's own are for their owner only)."""
    with tempfile.TemporaryDirectory(prefix="dataprovider-open-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def owner_of(pid: int | None) -> str:
    return pwd.getpwuid(psutil.Process(pid).uids().effective).pw_name


def test_postgres_runs_as_nobody(open_folder: Path, make_stack: StackMaker) -> None:
    stack = make_stack(open_folder / "home", "postgres", namespace_probe=no_namespaces)
    variables = stack.start()
    ask_postgres(variables, "CREATE TABLE mark AS SELECT 7 AS value")
    assert owner_of(stack.services["postgres"].pid) == "nobody"
    # Others may pass through the folder, not look into it, nor reach the passwords.
    assert stat.S_IMODE((open_folder / "home").stat().st_mode) == 0o701
    assert stat.S_IMODE((open_folder / "home" / "secrets").stat().st_mode) == 0o700


def test_the_same_data_is_used_with_and_without_namespaces(open_folder: Path, make_stack: StackMaker) -> None:
    runs = [
        (namespaces_work, "CREATE TABLE mark AS SELECT 1 AS value"),
        (no_namespaces, "INSERT INTO mark VALUES (2)"),
        (namespaces_work, "INSERT INTO mark VALUES (3)"),
    ]
    for probe, query in runs:
        stack = make_stack(open_folder / "home", "postgres", namespace_probe=probe)
        ask_postgres(stack.start(), query)
        stack.stop()
    last = make_stack(open_folder / "home", "postgres").start()
    assert ask_postgres(last, "SELECT value FROM mark ORDER BY value") == [(1,), (2,), (3,)]


def test_a_killed_postgres_comes_back_as_nobody(open_folder: Path, make_stack: StackMaker) -> None:
    stack = make_stack(open_folder / "home", "postgres", namespace_probe=no_namespaces)
    stack.start()
    kill(stack, "postgres")
    check_until_back(stack, "postgres")
    assert owner_of(stack.services["postgres"].pid) == "nobody"


def test_a_folder_that_nobody_may_enter_is_said(open_folder: Path, make_stack: StackMaker) -> None:
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(ServiceProblem) as caught:
        make_stack(closed / "home", "postgres", namespace_probe=no_namespaces).start()
    assert str(caught.value) == (
        "Postgres refuses to run as root, this machine does not let root make user namespaces, "
        f"and the user `nobody` may not enter {closed}: set DATAPROVIDER_HOME to a folder that every user can enter, "
        "such as /var/lib/dataprovider, run DataProvider as an ordinary user, "
        "or set DATABASE_URL to a Postgres that is already running."
    )
