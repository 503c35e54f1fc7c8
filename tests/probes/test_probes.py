"""GET monitoring/live and monitoring/ready: the process alone, and all that it needs."""

from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dataprovider.clickhouse import Address, migrate
from dataprovider.config import load_config
from tests.api.conftest import Server, StartServer, refusal
from tests.embedded.conftest import StackMaker
from tests.embedded.killing import kill
from tests.nodes import only_at
from tests.waiting import wait_until

LIVE, READY = "/api/v1/monitoring/live", "/api/v1/monitoring/ready"
#: As the services are called in a stack, and in answers.
NAMES = {"clickhouse": "clickhouse", "postgres": "postgres", "valkey": "redis"}


def is_ready(server: Server) -> bool:
    return server.get(READY).status_code == 200


def test_ready_names_each_service_while_it_is_stopped(
    tmp_path: Path, make_stack: StackMaker, start_server: StartServer
) -> None:
    stack = make_stack(tmp_path / "home")
    variables = stack.start()
    server = start_server(CLICKHOUSE_NODES="", **variables)
    status, error, _ = refusal(server.get(READY))
    assert (status, error) == (503, "NOT_READY"), "without its table it was ready"
    migrate(Address.of_nodes(load_config(variables, tmp_path)))
    assert server.data(READY) == {"status": "ready"}
    for service, name in NAMES.items():
        kill(stack, service)
        answer = server.get(READY)
        assert refusal(answer) == (503, "NOT_READY", f"Not ready: {name} does not answer; try again in a moment.")
        assert int(answer.headers["Retry-After"]) > 0
        assert server.data(LIVE)["status"] == "alive"
        wait_until(lambda: stack.check(), 20, f"the end of {service} to be noticed")
        wait_until(lambda: (stack.check(), is_ready(server))[1], 60, f"{service} to be back")
    # However many watch: one that hangs makes no other look away.
    postgres = stack.services["postgres"].pid
    assert postgres
    os.kill(postgres, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor(12) as watchers:
            messages = {each[2] for each in watchers.map(server.refusal, [READY] * 12)}
    finally:
        os.kill(postgres, signal.SIGCONT)
    assert messages == {"Not ready: postgres does not answer; try again in a moment."}


def test_live_asks_no_service_and_ready_does_not_wait_for_those_that_hang(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        deaf.settimeout(0)
        port = deaf.getsockname()[1]
        server = start_server(
            **only_at(port),
            DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none",
            REDIS_URL=f"redis://127.0.0.1:{port}/0",
            # Neither a key nor a count stands in the way of who watches.
            REQUIRE_API_KEY="true",
            RATE_LIMIT_PER_MINUTE="1",
        )
        for _ in range(3):
            assert server.data(LIVE)["uptime_seconds"] >= 0
        with pytest.raises(BlockingIOError):
            deaf.accept()
        before = time.monotonic()
        assert "clickhouse, postgres, redis do not answer" in server.refusal(READY)[2]
        assert time.monotonic() - before < 2.5
