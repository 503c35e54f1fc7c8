"""`make chaos` itself, with two kinds of faults: it comes to zeros in one line, and Ctrl-C leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("--symbols", "30", "--rate", "600")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.chaos", *SMALL, *arguments]


def test_a_small_campaign_ends_with_zeros(tmp_path: Path) -> None:
    asked = command("--only", "worker killed", "--only", "connections cut", "--seed", "3")
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(asked, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["faults"] == {"worker killed": 1, "connections cut": 1}
    assert said["sent"] == said["stored"] > 5000
    assert said["candles"] > 100
    assert sum(said["gaps"].values()) > 0
    assert not [said[name] for name in ("missing", "duplicated", "wrong", "candle_mismatches", "left") if said[name]]
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_while_a_service_is_paused_leaves_no_process(tmp_path: Path) -> None:
    with tempfile.TemporaryFile("w+") as said:
        campaign = subprocess.Popen(
            command("--only", "spool full"),
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,
        )
        try:

            def lines() -> str:
                assert campaign.poll() is None
                said.seek(0)
                return said.read()

            wait_until(lambda: "  spool full" in lines(), 90, "ClickHouse to be paused")
            family = psutil.Process(campaign.pid).children(recursive=True)
            assert len(family) > 6
            campaign.send_signal(signal.SIGINT)
            assert campaign.wait(120) == 130
        finally:
            campaign.kill()
            campaign.wait()
    assert not [each for each in family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def test_a_fault_that_does_not_exist_is_refused_and_those_that_do_are_named() -> None:
    done = subprocess.run(
        command("--only", "nonsense"), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "there is no fault 'nonsense', but: worker killed, " in done.stderr
