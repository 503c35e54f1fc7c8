"""The bench runs, says every figure it is to say, and leaves nothing behind; also when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.bench.report import KEYS
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent


def bench(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench", "--quick", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_in(folder: Path) -> list[str]:
    """Files, and processes that were told of the folder."""
    processes = [
        each for each in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(each.info["cmdline"] or [])
    ]
    return [*map(str, folder.iterdir()), *map(str, processes)]


def test_the_object_has_every_key_and_what_was_not_measured_is_null(tmp_path: Path) -> None:
    process = bench(tmp_path, "--json", "--only", "inserts", "size")
    out, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    found = json.loads(out)
    assert tuple(found) == KEYS
    assert found["insert_rows_per_s"] > found["insert_original_rows_per_s"] > 0
    assert 0 < found["bytes_per_trade"] < found["bytes_per_trade_original_ddl"]
    assert found["live_trades_per_s"] is None
    assert found["frame_to_client_ms"] == {"p50": None, "p99": None}
    assert left_in(tmp_path) == []


def test_stopped_in_the_middle_it_leaves_nothing(tmp_path: Path) -> None:
    process = bench(tmp_path, "--only", "live")
    assert process.stderr is not None
    assert "starting services" in process.stderr.readline()
    # Its folder and several services are there.
    wait_until(lambda: len(left_in(tmp_path)) > 3, 30, "services to be started")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert left_in(tmp_path) == []
