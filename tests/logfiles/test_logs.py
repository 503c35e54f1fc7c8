"""Logs: one line an event, each process its own rotating file, no secret anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dataprovider.config import load_config
from dataprovider.redaction import redacted, secrets_of
from tests.api.conftest import StartServer
from tests.fixtures_collectors import RunningCollectors
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SECRET = "pa55-w0rd!x"

#: Settings as arguments, then what it does.
PROCESS = """
import logging, sys, threading
from pathlib import Path
from dataprovider.logs import LogSettings, begin

begin("worker 0", LogSettings(as_json=sys.argv[1] == "json", folder=Path(sys.argv[2]) if sys.argv[2] else None,
    max_bytes=20_000, old_files=2, secrets=("pa55-w0rd!x",)))
logger = logging.getLogger("collectors.worker")
"""
MANY = """
sys.stdin.readline()
for number in range(600):
    logger.info("%s %d of many", sys.argv[3], number)
"""
FAILING = """
logger.info("connecting to redis://:pa55-w0rd!x@h:1/0, api_key=abc%s", "\\nFORGED")
try:
    raise ValueError("postgresql://user:other-pw1@host/db pa55-w0rd!x")
except ValueError:
    logger.exception("It failed")
thread = threading.Thread(target=lambda: 1 / 0, name="helper")
thread.start()
thread.join()
raise RuntimeError("redis://:pa55-w0rd!x@h")
"""


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROCESS + code, *arguments],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_real_run_in_json_is_whole_lines_with_time_level_logger_process_and_message(
    start_exchange: Callable[..., RunningExchange],
    start_collectors: Callable[..., RunningCollectors],
    start_server: StartServer,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "logs"
    said = {"LOG_FORMAT": "json", "LOG_TO": "files", "LOGS_DIR": str(folder)}
    farm = start_collectors(start_exchange(symbols=2, rate=50), RECOVERY_WORKERS="1", **said)
    # Two web processes of one folder: each has a file.
    for server in (start_server(**said), start_server(**said)):
        server.get("/api/v1/monitoring/live", api_key=SECRET)
        server.get("/api/v1/nothing")
    farm.wait_until_subscribed()
    assert farm.stop() == 0
    files = {path.name: events(path) for path in folder.glob("*.log")}
    workers = {"worker-0.log", "worker-1.log", "keeper.log", "recovery-0.log", "alerts.log"}
    assert (
        {"collectors.log", "web.log", "web-2.log"}
        <= files.keys()
        <= {"collectors.log", "web.log", "web-2.log"} | workers
    )
    for each in (event for found in files.values() for event in found):
        assert {"time", "level", "logger", "process", "pid", "message"} <= each.keys()
        assert each["time"].endswith("Z")
        assert abs(datetime.fromisoformat(each["time"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert {each["process"] for each in files["collectors.log"]} == {"collectors"}
    asked = [each["message"] for each in files["web.log"] if each["logger"] == "api.access"]
    assert [message.split()[1:4] for message in asked] == [
        ["GET", "/api/v1/monitoring/live", "400"],
        ["GET", "/api/v1/nothing", "404"],
    ]
    passwords = [
        os.environ["CLICKHOUSE_PASSWORD"],
        *(urlsplit(os.environ[name]).password for name in ("DATABASE_URL", "REDIS_URL")),
    ]
    everything = "".join(path.read_text() for path in (*folder.glob("*.log"), farm.log, tmp_path / "daphne.log"))
    assert all(passwords)
    assert not [each for each in passwords if each and each in everything]


def test_two_processes_of_one_name_rotate_and_lose_no_line(tmp_path: Path) -> None:
    both = [start(MANY, "json", str(tmp_path), name) for name in ("one", "two")]
    names = {"worker-0.log", "worker-0-2.log"}
    wait_until(lambda: names <= {path.name for path in tmp_path.iterdir()}, 20, "both to have a file")
    for process in both:
        _, complaint = process.communicate("go\n", timeout=20)
        assert (process.returncode, complaint) == (0, "")
    for name in names:
        kept = [tmp_path / f"{name}{suffix}" for suffix in (".2", ".1", "")]
        assert not (tmp_path / f"{name}.3").exists()
        assert all(path.stat().st_size <= 20_000 for path in kept)
        found = [each["message"].split() for path in kept for each in events(path)]
        # All of one process, in order, up to the last; the oldest were dropped.
        first = int(found[0][1])
        assert 0 < first < 500
        assert [(who, int(number)) for who, number, *_ in found] == [(found[0][0], n) for n in range(first, 600)]
    # Whoever comes after them has the first name again.
    after = start(MANY, "json", str(tmp_path), "three")
    assert after.communicate("go\n", timeout=20)[1] == ""
    assert events(tmp_path / "worker-0.log")[-1]["message"].startswith("three")


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "runcollectors"],
        cwd=tmp_path,
        env={**os.environ, "DATAPROVIDER_HOME": str(tmp_path), "LOG_TO": "files", "LOGS_DIR": "/dev/null"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.startswith("LOGS_DIR: /dev/null cannot be written")) == (2, True), done.stderr


@pytest.mark.parametrize("form", ["json", "console"])
def test_errors_are_one_line_each_and_say_no_secret(form: str) -> None:
    _, said = start(FAILING, form, "").communicate(timeout=20)
    assert SECRET not in said
    assert "other-pw1" not in said
    assert "abc" not in said
    lines = said.splitlines()
    assert len(lines) == 4, said
    for line, words in zip(lines, ("connecting to", "It failed", "division by zero", "RuntimeError"), strict=True):
        assert words in line
    assert ["Traceback" in line for line in lines] == [False, True, True, True]
    if form == "json":
        assert [json.loads(line)["level"] for line in lines] == ["INFO", "ERROR", "CRITICAL", "CRITICAL"]
    else:
        assert " INFO worker 0 collectors.worker: connecting to redis://:***@h:1/0, api_key=***" in lines[0]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("https://api.telegram.org/bot12:AbC-d/getMe", "https://api.telegram.org/bot***/getMe"),
        ("?token=a&limit=5", "?token=***&limit=5"),
        ("a key dp_" + "x" * 43, "a key ***"),
        # What is no secret stays as it is.
        ("wss://h:443/stream?streams=btcusdt@aggTrade of http://h:1/x", None),
        ("The batch 3:7:12 waits for a@b.c", None),
    ],
)
def test_what_is_struck_out(text: str, left: str | None) -> None:
    assert redacted(text) == (text if left is None else left)


def test_passwords_of_the_settings_are_struck_out_however_they_are_written(tmp_path: Path) -> None:
    environ = {
        "DATABASE_URL": "postgresql://u:p%40ss%2Fword1@h/d",
        "CLICKHOUSE_PASSWORD": "click-house-1",
        "REDIS_URL": "redis://:postgres@h",
        "SECRET_KEY": "k" * 50,
    }
    secrets = secrets_of(load_config(environ, tmp_path))
    text = f"p@ss/word1 p%40ss%2Fword1 click-house-1 {'k' * 50}"
    assert redacted(text, secrets) == "*** *** *** ***"
    # A password that is a word is struck out of its URL, not out of every sentence.
    assert redacted("postgres does not answer at redis://:postgres@h", secrets).startswith("postgres does")
    assert "postgres@" not in redacted("redis://:postgres@h", secrets)


def test_of_a_message_without_end_the_beginning_is_written() -> None:
    _, said = start("logger.info('x' * 10_000)", "console", "").communicate(timeout=20)
    (line,) = said.splitlines()
    assert line.endswith("xx … (and 8,000 characters)")
    assert len(line) < 2_200
