"""What a container's health check says."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest
from django.conf import settings
from redis import Redis

from dataprovider import healthy
from dataprovider.heartbeat import HostStatus, forget, write_host
from tests.api.conftest import StartServer
from tests.deploy.reading import ROOT


def test_the_web_is_alive_even_for_whom_it_refuses(start_server: StartServer) -> None:
    """A check comes from inside; the allow-list and the names under which the web may be called are for others."""
    server = start_server(ALLOWED_IPS="10.0.0.1", ALLOWED_HOSTS="charts.example.com")
    port = server.url.rpartition(":")[2]
    assert healthy.main(["web", port]) == 0
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        free = str(deaf.getsockname()[1])
    assert healthy.main(["web", free]) == 1


def test_the_collectors_are_alive_while_their_supervisor_says_so() -> None:
    redis = Redis.from_url(settings.CONFIG.redis_url)
    redis.flushdb()
    command = [sys.executable, "-m", healthy.__name__, "collectors"]

    def checked() -> tuple[int, str]:
        done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    status, said = checked()
    assert status == 1
    assert said.startswith("No supervisor of ")
    mine, others = (host_status(name) for name in (socket.gethostname(), "else"))
    write_host(redis, others)
    assert healthy.collectors(settings.CONFIG.redis_url) != ""
    write_host(redis, mine)
    assert checked() == (0, "")
    for host in (mine, others):
        forget(redis, host.owner, 0)
    # Collection goes on without Valkey: that is no reason to restart it.
    assert healthy.collectors("redis://127.0.0.1:1/0") == ""


def host_status(hostname: str) -> HostStatus:
    return HostStatus(
        owner=f"{hostname}:1:2-3",
        pid=1,
        workers=2,
        shards=16,
        symbols=5,
        open_gaps=0,
        postgres_away=False,
        updated_ms=0,
    )


def test_a_wrong_check_says_how_it_is_called(capsys: pytest.CaptureFixture[str]) -> None:
    assert healthy.main(["web"]) == 2
    assert capsys.readouterr().err == healthy.USAGE
