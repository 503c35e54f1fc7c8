"""GET monitoring/live and monitoring/ready: the process alone, and all that it needs."""

from __future__ import annotations

import time
from pathlib import Path

from dataprovider.clickhouse import Address, migrate
from dataprovider.config import load_config
from tests.api.conftest import Server, StartServer, refusal
from tests.api.test_health import AWAY
from tests.embedded.conftest import StackMaker
from tests.embedded.killing import kill
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
    server = start_server(**variables)
    status, error, _ = refusal(server.get(READY))
    assert (status, error) == (503, "NOT_READY"), "without its table it was ready"
    migrate(Address.from_config(load_config(variables, tmp_path)))
    assert server.data(READY) == {"status": "ready"}
    for service, name in NAMES.items():
        kill(stack, service)
        answer = server.get(READY)
        assert refusal(answer) == (503, "NOT_READY", f"Not ready: {name} does not answer; try again in a moment.")
        assert int(answer.headers["Retry-After"]) > 0
        assert server.data(LIVE)["status"] == "alive"
        wait_until(lambda: stack.check() or is_ready(server), 20, f"{service} to be back")
        wait_until(lambda: is_ready(server), 20, "readiness")


def test_without_any_service_it_lives_at_once_and_is_not_ready_in_time(start_server: StartServer) -> None:
    # No key and no count stand in the way of who watches.
    server = start_server(**AWAY, REQUIRE_API_KEY="true", RATE_LIMIT_PER_MINUTE="1")
    before = time.monotonic()
    assert server.data(LIVE)["uptime_seconds"] >= 0
    assert "X-RateLimit-Limit" not in server.get(LIVE).headers
    assert time.monotonic() - before < 0.5
    assert "clickhouse, postgres, redis do not answer" in server.refusal(READY)[2]
    assert time.monotonic() - before < 3
