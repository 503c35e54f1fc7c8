"""Passwords are in files of mode 0600 and nowhere else: no command line, no log, no environment of a neighbour."""

from __future__ import annotations

from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException
from redis.backoff import NoBackoff
from redis.retry import Retry

from dataprovider.embedded import ServiceStack
from tests.embedded.clients import ask_clickhouse, write_everywhere
from tests.embedded.conftest import StackMaker


def passwords(home: Path) -> list[str]:
    found = [(home / "secrets" / name).read_text() for name in ("postgres", "valkey", "clickhouse")]
    assert len(set(found)) == 3
    assert min(map(len, found)) >= 24
    return found


def command_lines() -> str:
    found = []
    for process in psutil.process_iter():
        try:
            found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return "\n".join(found)


def test_no_password_is_on_a_command_line_or_in_a_log(tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path)
    write_everywhere(stack.start())
    seen = command_lines()
    assert "valkey-server" in seen
    assert "clickhouse_server.py" in seen
    stack.stop()
    seen += "".join(log.read_text() for log in (tmp_path / "logs").iterdir())
    assert not [password for password in passwords(tmp_path) if password in seen]


def test_only_the_owner_can_enter_the_folder_and_read_what_holds_a_password(
    tmp_path: Path, make_stack: StackMaker
) -> None:
    home = tmp_path / "home"
    make_stack(home).start()
    assert home.stat().st_mode & 0o077 == 0
    files = [file for file in home.rglob("*") if file.is_file() and not file.is_relative_to(home / "postgres" / "data")]
    holding = [
        file for file in files if any(password in file.read_text(errors="replace") for password in passwords(home))
    ]
    assert {file.name for file in holding} >= {"postgres", "valkey", "clickhouse", "services.json", "valkey.conf"}
    assert [file for file in holding if file.stat().st_mode & 0o077] == []


def test_a_service_does_not_see_our_environment(
    tmp_path: Path, make_stack: StackMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TELEGRAM_BOT_TOKEN", "123:secret")
    stack = make_stack(tmp_path)
    stack.start()
    for service in stack.services.values():
        assert "TELEGRAM_BOT_TOKEN" not in psutil.Process(service.pid).environ()


def test_postgres_refuses_a_wrong_password(service_stack: ServiceStack) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(
            host="127.0.0.1",
            port=service_stack.services["postgres"].port,
            user="dataprovider",
            password="wrong",
            dbname="dataprovider",
        )


def test_valkey_refuses_a_client_without_password(service_stack: ServiceStack) -> None:
    with (
        redis.Redis(port=service_stack.services["valkey"].port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.ping()


def test_clickhouse_refuses_a_wrong_password(service_stack: ServiceStack) -> None:
    client = Client("127.0.0.1", service_stack.services["clickhouse"].port, user="dataprovider", password="wrong")
    with pytest.raises(ServerException, match="Authentication failed"):
        client.execute("SELECT 1")
    client.disconnect()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM trades.secret",
        "INSERT INTO trades.secret SELECT 1",
        "DROP TABLE trades.secret",
        "CREATE TABLE trades.other (value UInt64) ENGINE = Memory",
        "SELECT * FROM system.processes",
        "INSERT INTO FUNCTION file('/tmp/dataprovider-should-not-be', 'TSV', 'a String') SELECT 'a'",
        "SYSTEM SHUTDOWN",
    ],
)
def test_the_built_in_clickhouse_user_without_password_may_not_touch_data(
    query: str, tmp_path: Path, make_stack: StackMaker
) -> None:
    variables = make_stack(tmp_path, "clickhouse").start()
    ask_clickhouse(variables, "CREATE TABLE secret (value UInt64) ENGINE = MergeTree ORDER BY value")
    client = Client("127.0.0.1", int(variables["CLICKHOUSE_NATIVE_PORT"]))
    with pytest.raises(ServerException, match="Not enough privileges"):
        client.execute(query)
    client.disconnect()
