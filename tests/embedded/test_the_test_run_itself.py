"""The plug-in that starts services for a test run minds nobody's settings and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.embedded.children import plain_environment

PROBE = """
import os
import threading

from django.conf import settings


def test_probe():
    config = settings.CONFIG
    assert config.database_url.startswith("postgresql://dataprovider:")
    assert config.clickhouse_host == "127.0.0.1"
    assert config.load_only_tickers == ()
    assert config.clickhouse_database == "trades"
    print("home:", config.dataprovider_home, flush=True)
    if os.environ.get("PROBE_WAITS"):
        threading.Event().wait()
"""

FOREIGN = {
    "DATABASE_URL": "postgresql://elsewhere:1/other",
    "CLICKHOUSE_HOST": "elsewhere",
    "CLICKHOUSE_DATABASE": "other",
    "LOAD_ONLY_TICKERS": "BTCUSDT",
    "DATAPROVIDER_HOME": "/elsewhere",
}


def pytest_run(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    (folder / "test_probe.py").write_text(PROBE)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p tests.services -p no:valkey\n")
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in FOREIGN.items()))
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-s", "--ds=dataprovider.settings", *arguments, "test_probe.py"],
        cwd=folder,
        env=plain_environment(**FOREIGN, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def home_in(said: str) -> Path:
    return Path(said.partition("home: ")[2].splitlines()[0])


def test_foreign_settings_are_ignored_and_nothing_is_left(tmp_path: Path) -> None:
    said, _ = pytest_run(tmp_path).communicate(timeout=60)
    assert "1 passed" in said
    assert not home_in(said).exists()
    assert str(home_in(said)) not in command_lines()


def test_ctrl_c_stops_the_services_too(tmp_path: Path) -> None:
    run = pytest_run(tmp_path, PROBE_WAITS="1")
    assert run.stdout
    said = ""
    while "home: " not in said:
        line = run.stdout.readline()
        assert line, said
        said += line
    assert str(home_in(said)) in command_lines()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=60)
    assert not home_in(said).exists()
    assert str(home_in(said)) not in command_lines()


def test_collecting_alone_starts_nothing(tmp_path: Path) -> None:
    said, _ = pytest_run(tmp_path, "--collect-only").communicate(timeout=60)
    assert "test_probe" in said


def command_lines() -> str:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_text(errors="replace"))
        except OSError:
            continue
    return "\n".join(found)
