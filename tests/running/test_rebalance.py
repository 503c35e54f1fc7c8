"""`manage.py rebalance` while a demo collects on two ClickHouse servers: killed at every step, and finished."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import requests

from dataprovider.clickhouse.shards import SHARD_COUNT, shard_of
from tests.running.test_demo import ROOT, environ, free_port, running_demo
from tests.running.test_demo_on_several import sent
from tests.waiting import wait_until

SHARD = shard_of("BTCUSDT")
#: After these lines it is killed.
STEPS = ["closed", "given up"]


def rebalance(home: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "manage.py"), "rebalance", *arguments],
        env=environ(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished(home: Path, *arguments: str) -> str:
    process = rebalance(home, *arguments)
    output, _ = process.communicate(timeout=90)
    assert process.returncode == 0, output
    return output


def health(port: int) -> tuple[str, int]:
    """The status, and how many shards are collected."""
    answer = requests.get(f"http://127.0.0.1:{port}/api/v1/monitoring/health", timeout=10).json()["data"]
    return answer["status"], answer["components"]["collectors"]["shards"]


def killed_after(step: str, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if step in line:
            process.kill()
            process.communicate()
            return
    raise AssertionError(f"it ended before {step!r}: {seen}")


def test_a_shard_moves_while_its_trades_come_and_a_killed_move_is_finished(tmp_path: Path) -> None:
    home = tmp_path / "home" / "demo-2-nodes"
    options = ("--nodes", "2", "--workers", "2", "--symbols", "30", "--rate", "1000", "--seconds", "90", "--json")
    port = free_port()
    with running_demo(tmp_path / "home", port, *options) as process:
        wait_until(lambda: sent(home) > 3000, 90, "trades")
        to, back = ("2", "1") if SHARD % 2 == 0 else ("1", "2")
        assert f"shard {SHARD}: to node {to}" in finished(home, "--plan", "--shard", str(SHARD), "--to", to)
        for step in STEPS:
            killed_after(step, rebalance(home, "--shard", str(SHARD), "--to", to))
            if step == "given up":
                assert f"shard {SHARD}: to node {to} (on its way" in finished(home, "--plan")
                wait_until(lambda: health(port) == ("degraded", SHARD_COUNT - 1), 30, "a shard that is not collected")
            assert "done" in finished(home, "--shard", str(SHARD), "--to", to)
            to, back = back, to
        assert "Nothing to move." in finished(home, "--plan", "--shard", str(SHARD), "--to", back)
        assert process.poll() is None
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    result = json.loads(output.strip().splitlines()[-1])
    assert result["sent"] > 5000
    assert (result["missing"], result["duplicates"], result["open_gaps"]) == (0, 0, 0)
