"""`manage.py runexchange`: what it prints, how it ends, and what it says about wrong options."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.fixtures_exchange import ROOT, RunningExchange
from tests.simulator.archive_writing import rows_from, write_archive
from tests.simulator.stream_client import StreamClient
from tests.waiting import wait_until

Start = Callable[..., RunningExchange]


def refused(*arguments: str) -> str:
    """What a start that must fail says, in one line, without a traceback."""
    done = subprocess.run(
        [sys.executable, "manage.py", "runexchange", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr.strip()


def test_the_first_line_says_where_it_listens(start_exchange: Start) -> None:
    exchange = start_exchange(symbols=7)
    assert exchange.ready == {
        "ready": True,
        "port": exchange.port,
        "symbols": 7,
        "url": f"http://127.0.0.1:{exchange.port}",
    }
    state = exchange.state
    assert (state["market"], state["running"], state["finished"], state["symbols"]) == ("made-up", True, False, 7)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_it_gracefully_and_clients_are_told(start_exchange: Start, number: signal.Signals) -> None:
    exchange = start_exchange(symbols=3, rate=300)
    with StreamClient(f"{exchange.stream_url}?streams=btcusdt@aggTrade") as client:
        client.read_until(lambda: client.trades, "a trade")
        exchange.process.send_signal(number)
        assert client.read_until_closed(10)[0] == 1001
    assert exchange.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_before_it_listens_it_takes_its_folder_away(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "dataprovider.simulator", "--symbols", "820"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        text=True,
    )
    wait_until(lambda: any(tmp_path.iterdir()), 30, "its folder", every=0.001)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode in (0, 128 + number)
    assert errors == ""
    assert list(tmp_path.iterdir()) == []


def test_it_needs_no_service(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "runexchange", "--symbols", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": "/usr/bin:/bin", "DATAPROVIDER_HOME": str(tmp_path)},
    )
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert requests.get(ready["url"] + "/fapi/v1/ping", timeout=10).json() == {}
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_taken_port_is_said_in_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refused("--port", str(port)) == (
            f"Port {port} is taken: choose another with --port, or 0 for a free one."
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rate", "fast"), "--rate"),
        (("--rate", "0"), "--rate"),
        (("--rate", "nan"), "--rate"),
        (("--seed", "-1"), "--seed"),
        (("--port", "70000"), "--port"),
        (("--symbols", "0"), "--symbols"),
        (("--symbols", "no-such-file.json"), "cannot be read"),
        (("--symbols", "manage.py"), "not a saved answer"),
        (("--archive-dir", "no-such-folder"), "not a folder"),
        (("--archive-dir", "templates"), "no archive below"),
        (("--replay-speed", "-3"), "--replay-speed"),
        (("--history-days", "x"), "--history-days"),
        (("--host", "no.such.host.invalid"), "Cannot listen"),
    ],
)
def test_wrong_options_are_said_in_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    assert said in refused(*arguments)


def test_a_damaged_state_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "segments.json").write_text("{")
    assert "is damaged" in refused("--state-dir", str(tmp_path))


def test_a_spot_archive_is_refused(tmp_path: Path) -> None:
    write_archive(tmp_path, "BTCUSDT", "2024-01-01", rows_from(1, 1_704_067_200_000_000, 3))
    assert "not milliseconds" in refused("--archive-dir", str(tmp_path))
