"""`manage.py demo` as a user runs it."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from dataprovider.config import Config
from dataprovider.running.farm import _why_not
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent


def environ(home: Path) -> dict[str, str]:
    """Nothing of the test stack: a demo brings its own services."""
    clean = {name: value for name, value in os.environ.items() if name.lower() not in Config.model_fields}
    return {**clean, "DATAPROVIDER_HOME": str(home)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def demo(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(free_port()), *arguments]
    return subprocess.run(
        command, cwd=home.parent, env=environ(home), capture_output=True, text=True, timeout=120, check=False
    )


@contextmanager
def running_demo(home: Path, port: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port), *arguments]
    process = subprocess.Popen(
        command,
        cwd=home.parent,
        env=environ(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise


def verdict(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_a_demo_ends_with_a_clean_verdict_and_a_second_one_goes_on_with_the_data(tmp_path: Path) -> None:
    home = tmp_path / "home"
    options = ("--symbols", "30", "--rate", "1000", "--seconds", "5", "--json")
    first = demo(home, *options)
    assert first.returncode == 0, first.stderr
    result = verdict(first)
    assert len(first.stdout.strip().splitlines()) == 1
    assert (home / "demo").stat().st_mode & 0o066 == 0, "others may look into it"
    assert result["sent"] == result["stored"] > 2000
    assert (result["missing"], result["duplicates"], result["open_gaps"]) == (0, 0, 0)
    assert (result["symbols"], result["workers"]) == (30, 2)
    assert 0 < result["frame_to_client_ms"]["p50"] <= result["frame_to_client_ms"]["p99"]
    second = demo(home, *options)
    assert second.returncode == 0, second.stderr
    # The exchange's ids went on where they had stopped, and the stored trades are still there: no gap between the runs.
    assert verdict(second)["open_gaps"] == 0


def test_a_running_demo_serves_candles_and_ctrl_c_stops_everything(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    with running_demo(home, port, "--symbols", "30", "--rate", "1000") as process:
        url = f"http://127.0.0.1:{port}/api/v1/data/klines/BTCUSDT?timeframe=1"

        def candles() -> list[dict[str, Any]]:
            assert process.poll() is None
            try:
                found: list[dict[str, Any]] = (requests.get(url, timeout=5).json()["data"]) or []
            except requests.RequestException:
                return []
            return found

        served = wait_until(candles, 60, "candles")
        assert served[-1]["volume"] > 0
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) > 6
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "Stopped; the data is kept." in output
    assert "Traceback" not in output
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, str(ROOT / "manage.py"), "demo", "--port", str(port)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environ(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_that_only_root_may_have_is_said() -> None:
    refused = PermissionError(errno.EACCES, "Permission denied")
    assert _why_not("127.0.0.1", 80, refused).startswith("Port 80 needs root: choose one from 1024 on with API_PORT")


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("API_HOST", "203.0.113.1", "API_HOST: 203.0.113.1 is not an address of this machine"),
        ("API_HOST", "300.1.1.1", "API_HOST: 300.1.1.1 is not an address of this machine"),
        ("LOGS_DIR", "/dev/null/logs", "LOGS_DIR: /dev/null/logs cannot be written (Not a directory)"),
    ],
)
def test_what_cannot_be_served_or_written_is_said_before_anything_starts(
    tmp_path: Path, setting: str, value: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "up"],
        cwd=tmp_path,
        env={**environ(tmp_path / "home"), setting: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Started" not in done.stdout


def test_a_wrong_option_is_one_sentence_of_the_exchange(tmp_path: Path) -> None:
    done = demo(tmp_path / "home", "--symbols", "no-such-file.json", "--seconds", "2")
    assert done.returncode != 0
    assert "no-such-file.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_replay_stores_the_archive_and_replaying_it_again_adds_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "archives"
    write_archive(archive)
    options = ("--archive-dir", str(archive), "--replay-speed", "600", "--seconds", "60", "--json")
    for _ in range(2):
        done = demo(tmp_path / "home", *options)
        assert done.returncode == 0, done.stderr
        result = verdict(done)
        assert (result["sent"], result["stored"], result["open_gaps"]) == (600, 600, 0)


def write_archive(folder: Path) -> None:
    """Ten minutes of made-up trades in the layout of the exchange's archive."""
    import zipfile

    name = "ABCUSDT-aggTrades-2024-03-01"
    path = folder / "futures" / "um" / "daily" / "aggTrades" / "ABCUSDT" / f"{name}.zip"
    path.parent.mkdir(parents=True)
    start = 1_709_251_200_000
    rows = [
        f"{1000 + n},{100 + n % 7}.5,0.01,{5000 + n},{5000 + n},{start + n * 1000},{str(n % 2 == 0).lower()}"
        for n in range(600)
    ]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(f"{name}.csv", "\n".join(rows) + "\n")


def test_a_second_start_soon_serves_a_healthy_system(tmp_path: Path) -> None:
    """No measure of speed, since other tests run beside it: a start that hangs is what fails here."""
    home, options = tmp_path / "home", ("--symbols", "30", "--rate", "500")
    for _ in range(2):
        port, began = free_port(), time.monotonic()
        with running_demo(home, port, *options):
            url = f"http://127.0.0.1:{port}/api/v1/monitoring/health"

            def healthy(url: str = url) -> bool:
                try:
                    return bool(requests.get(url, timeout=5).json()["data"]["status"] == "healthy")
                except requests.RequestException:
                    return False

            wait_until(healthy, 60, "a healthy demo")
            took = time.monotonic() - began
    assert took < 30
