"""A demo with two ClickHouse servers and two supervisors, of which one is killed in the middle."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import requests

from dataprovider.config import EXCHANGE_FILE
from tests.running.test_demo import free_port, running_demo
from tests.waiting import wait_until


def supervisors(demo: int) -> list[psutil.Process]:
    return [each for each in psutil.Process(demo).children() if "runcollectors" in each.cmdline()]


def sent(home: Path) -> int:
    """How many trades the demo's exchange has sent."""
    try:
        url = json.loads((home / EXCHANGE_FILE).read_text())["BINANCE_REST_URL"]
        return int(requests.get(f"{url}/simulator/state", timeout=5).json()["sent"])
    except (OSError, ValueError):
        return 0


def test_two_nodes_and_two_supervisors_of_which_one_is_killed_lose_nothing(tmp_path: Path) -> None:
    options = ("--nodes", "2", "--supervisors", "2", "--workers", "1", "--symbols", "30", "--rate", "1000")
    with running_demo(tmp_path / "home", free_port(), *options, "--seconds", "15", "--json") as process:
        wait_until(lambda: sent(tmp_path / "home" / "demo-2-nodes") > 3000, 90, "trades")
        _, second = supervisors(process.pid)
        second.kill()
        output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    result = json.loads(output.strip().splitlines()[-1])
    assert result["sent"] > 5000
    assert (result["missing"], result["duplicates"], result["open_gaps"]) == (0, 0, 0)
    assert "collectors-2 process ended and was started again" in output
