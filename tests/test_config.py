"""Settings are checked at start, and a wrong one is one clear line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dataprovider.config import ConfigError, load_config

ROOT = Path(__file__).resolve().parent.parent


def complaint(folder: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(environ, folder)
    return str(caught.value).splitlines()


def test_everything_has_a_default(tmp_path: Path) -> None:
    config = load_config({}, tmp_path)
    assert (config.api_host, config.api_port, config.clickhouse_database) == ("127.0.0.1", 8080, "trades")
    assert config.dataprovider_home == tmp_path / "var"
    assert not config.has_services


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("API_PORT", "eighty", "API_PORT: must be a whole number (it is 'eighty')"),
        ("API_PORT", "70000", "API_PORT: must be 65535 or less (it is '70000')"),
        ("ENABLE_REST_API", "perhaps", "ENABLE_REST_API: must be true or false (it is 'perhaps')"),
        ("LOG_FORMAT", "xml", "LOG_FORMAT: must be 'console' or 'json' (it is 'xml')"),
        ("ALERT_PATIENCE_SECONDS", "long", "ALERT_PATIENCE_SECONDS: must be a number"),
        ("ALLOWED_HOSTS", "https://data.example.com", "ALLOWED_HOSTS: 'https://data.example.com' is not a host name"),
        ("ALLOWED_HOSTS", "data.example.com:443", "ALLOWED_HOSTS: 'data.example.com:443' is not a host name"),
        ("HISTORY_START", "2019-99-99", "HISTORY_START: must be a day such as 2024-01-31"),
        ("HISTORY_START", "2099-01-01", "HISTORY_START: must not be a day to come"),
        ("ALLOWED_IPS", "127.0.0.1,10.0.0.0/99", "ALLOWED_IPS: '10.0.0.0/99' is not an IP address or a network"),
        ("DATABASE_URL", "mysql://u:secret@h/d", "DATABASE_URL: must be a URL that begins with postgres://"),
        ("REDIS_URL", "redis://:secret@h:99999", "REDIS_URL: must be a URL"),
        (
            "BINANCE_STREAM_URL",
            "https://fstream.binance.com",
            "BINANCE_STREAM_URL: must be a URL that begins with ws://",
        ),
        ("CLICKHOUSE_DATABASE", "trades; DROP", "CLICKHOUSE_DATABASE: must be letters, digits and _ alone"),
        ("COLLECTOR_WORKERS", "0", "COLLECTOR_WORKERS: must be 1 or more (it is '0')"),
        ("TELEGRAM_ENABLED", "true", "TELEGRAM_ENABLED is on: set TELEGRAM_BOT_TOKEN"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_it_and_keeps_secrets(
    tmp_path: Path, name: str, value: str, said: str
) -> None:
    (line,) = complaint(tmp_path, **{name: value})
    assert line.startswith(said)
    assert "secret" not in line


def test_every_wrong_value_is_said_at_once(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, API_PORT="x", REDIS_URL="y", COLLECTOR_WORKERS="z")) == 3


def test_a_slip_in_the_name_of_a_setting_is_said_where_it_would_silently_not_hold(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ALOWED_IPS=10.0.0.1\nPOSTGRES_PASSWORD=x\nREDIS_PASSWORD=x\nWEB_CPUS=2\nOTHER=1\n")
    said = "ALOWED_IPS in .env is not a setting: ALLOWED_IPS is; correct the name, or take the line out"
    assert complaint(tmp_path) == [said]
    # Every name that the example has is known.
    example = re.findall(r"^# ([A-Z][A-Z0-9_]*)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    (tmp_path / ".env").write_text("".join(f"{name}=\n" for name in example))
    load_config({}, tmp_path)
    # The environment is full of other people's names.
    (tmp_path / ".env").unlink()
    load_config({"ALOWED_IPS": "10.0.0.1"}, tmp_path)


def test_the_environment_wins_over_the_file_and_the_file_over_the_running_stack(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "services.json").write_text(
        json.dumps({"REDIS_URL": "redis://one:1", "DATABASE_URL": "postgresql://one/d", "CLICKHOUSE_HOST": "one"})
    )
    (tmp_path / ".env").write_text("REDIS_URL=redis://two:2\nAPI_PORT=8081\n")
    config = load_config({"API_PORT": "8082"}, tmp_path)
    assert (config.database_url, config.redis_url, config.api_port) == ("postgresql://one/d", "redis://two:2", 8082)
    assert config.has_services


def test_a_named_clickhouse_does_not_inherit_the_embedded_ones_password(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    embedded = {"CLICKHOUSE_HOST": "127.0.0.1", "CLICKHOUSE_NATIVE_PORT": "1234", "CLICKHOUSE_PASSWORD": "embedded"}
    (tmp_path / "var" / "services.json").write_text(json.dumps(embedded))
    config = load_config({"CLICKHOUSE_HOST": "clickhouse.example"}, tmp_path)
    assert (config.clickhouse_native_port, config.clickhouse_password) == (9000, "")


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ([str(ROOT / "manage.py"), "syncsymbols"], 2),
        # What containers and units start the web with.
        (["-m", "daphne", "-p", "1", "dataprovider.asgi:application"], 1),
    ],
    ids=["manage.py", "daphne"],
)
def test_a_user_sees_the_sentence_and_no_traceback(tmp_path: Path, command: list[str], status: int) -> None:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env={**os.environ, "API_PORT": "eighty", "DATAPROVIDER_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status
    assert "API_PORT" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("home", ["/dev/null", "/proc/nowhere"])
def test_a_home_that_cannot_be_is_one_sentence(tmp_path: Path, home: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "gaps"],
        cwd=tmp_path,
        env={**os.environ, "DATAPROVIDER_HOME": home},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "DATAPROVIDER_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["demo", "--port", "99999"], ["runcollectors", "--workers", "17"], ["runservices", "--postgres-port", "0"]],
)
def test_a_number_out_of_range_is_refused_before_anything_starts(tmp_path: Path, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=tmp_path,
        env={**os.environ, "DATAPROVIDER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert arguments[2] in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "command", ["syncsymbols", "runcollectors", "gaps", "prepare", "backfill BTCUSDT --from 2024-01-01"]
)
def test_without_postgres_a_command_says_what_to_do(tmp_path: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command.split()],
        cwd=tmp_path,
        env={
            **os.environ,
            "DATABASE_URL": "",
            "DATAPROVIDER_HOME": str(tmp_path),
            "BINANCE_REST_URL": "http://127.0.0.1:1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr


def test_a_running_demo_says_where_its_exchange_is_and_the_environment_wins(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir()
    (home / "exchange.json").write_text('{"BINANCE_REST_URL": "http://127.0.0.1:5"}')
    assert load_config({}, tmp_path).binance_rest_url == "http://127.0.0.1:5"
    named = {"BINANCE_REST_URL": "http://127.0.0.1:6"}
    assert load_config(named, tmp_path).binance_rest_url == "http://127.0.0.1:6"
    (home / "exchange.json").unlink()
    assert load_config({}, tmp_path).binance_rest_url == "https://fapi.binance.com"
