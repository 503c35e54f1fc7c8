"""A real daphne on a real socket, on the test stack's services."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
import requests
from pytest_django import DjangoDbBlocker

from dataprovider.clickhouse import ClickHouse
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """A web process and how to ask it."""

    def __init__(self, port: int, process: subprocess.Popen[bytes] | None = None) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._process = process

    def stop(self) -> None:
        """It is told to end, and has ended."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=10)

    def kill(self) -> None:
        """It is gone from one moment to the next."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(timeout=10)

    def get(self, path: str, **params: object) -> requests.Response:
        return requests.get(f"{self.url}{path}", params={k: str(v) for k, v in params.items()}, timeout=30)

    def post(self, path: str, **headers: str) -> requests.Response:
        return requests.post(f"{self.url}{path}", headers=headers, timeout=30)

    def data(self, path: str, **params: object) -> Any:
        """What a request that must succeed returns."""
        response = self.get(path, **params)
        assert response.status_code == 200, response.text
        body = response.json()
        assert set(body) == {"success", "data", "message", "timestamp", "error"}
        assert body["success"] is True
        assert body["error"] is None
        return body["data"]

    def refusal(self, path: str, **params: object) -> tuple[int, str, str]:
        """Status, error code and message of a request that must fail."""
        return refusal(self.get(path, **params))


def refusal(response: requests.Response) -> tuple[int, str, str]:
    """Status, error code and message of an answer that must be an enveloped failure."""
    body = response.json()
    assert set(body) == {"success", "data", "message", "timestamp", "error"}
    assert body["success"] is False
    assert body["data"] is None
    return response.status_code, body["error"], body["message"]


@contextmanager
def running(
    environ: Mapping[str, str], log: Path, application: str = "dataprovider.asgi:application"
) -> Iterator[Server]:
    """daphne with these variables on top of the test run's; requests are not limited unless they say so.

    It is as quiet as the product runs it, unless DAPHNE_VERBOSITY says something else.
    """
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "daphne",
                "-v",
                environ.get("DAPHNE_VERBOSITY", "0"),
                "-b",
                "127.0.0.1",
                "-p",
                str(port),
                application,
            ],
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "RATE_LIMIT_PER_MINUTE": "0", **environ},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: _listens(process, port, log), 30, "daphne to listen")
        yield Server(port, process)
    finally:
        process.terminate()
        process.wait(timeout=10)


def _listens(process: subprocess.Popen[bytes], port: int, log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def test_database_url(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The database that pytest-django made, as a URL.

    It makes none when no test of this run uses one itself; the web process needs it all the same.
    """
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    parts = urlsplit(os.environ["DATABASE_URL"])
    made: list[Any] = []
    with django_db_blocker.unblock():
        if connection.settings_dict["NAME"] == parts.path.lstrip("/"):
            made = setup_databases(verbosity=0, interactive=False, aliases={"default": None})
    yield urlunsplit(parts._replace(path=f"/{connection.settings_dict['NAME']}"))
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


StartServer = Callable[..., Server]


@pytest.fixture
def start_server(test_database_url: str, tmp_path: Path) -> Iterator[StartServer]:
    """Starts a web process of this test's own, with variables of its own."""
    with ExitStack() as stack:
        yield lambda **environ: stack.enter_context(
            running({"DATABASE_URL": test_database_url, **environ}, tmp_path / "daphne.log")
        )


@pytest.fixture(scope="session")
def _shared_server(
    test_database_url: str, migrated_clickhouse: ClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("web") / "daphne.log"
    with running({"DATABASE_URL": test_database_url}, log) as server:
        yield server


@pytest.fixture
def server(_shared_server: Server, clickhouse: ClickHouse) -> Server:
    """The web process that the tests share, its ClickHouse empty."""
    return _shared_server
