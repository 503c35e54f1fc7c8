"""GET monitoring/health: every field, and an answer in time whatever is away."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from api.health import overall
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from dataprovider.heartbeat import WorkerStatus, write_worker
from tests.api.conftest import Server, StartServer
from tests.clickhouse.trades import Row, store
from tests.nodes import only_at

HEALTH = "/api/v1/monitoring/health"
AWAY = {
    **only_at(1),
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}


@pytest.fixture
def redis() -> Iterator[Redis]:
    from django.conf import settings

    client = Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def test_a_running_system_is_healthy_and_counts_what_it_does(
    server: Server, clickhouse: ClickHouse, redis: Redis
) -> None:
    store(clickhouse, [Row(n) for n in range(5)])
    for worker in (0, 1):
        write_worker(
            redis,
            WorkerStatus(
                "host",
                worker,
                100 + worker,
                [*range(worker, 16, 2)],
                symbols=12,
                subscribed=10,
                connections=2,
                trades_per_s=5.5,
                storage_delay_ms=500 * worker,
            ),
        )
    health = server.data(HEALTH)
    assert health["status"] == "healthy"
    assert health["trades_processed_total"] == 5
    assert health["active_tickers"] == 20
    assert health["clickhouse_status"] == "healthy"
    assert health["websocket_connections"] == 0
    assert 0 < health["disk_free_percent"] <= 100
    assert health["uptime_seconds"] >= 0
    components = health["components"]
    assert {name: components[name]["status"] for name in components} == {
        "clickhouse": "healthy",
        "postgres": "healthy",
        "redis": "healthy",
        "collectors": "running",
    }
    assert components["collectors"]["workers"] == 2
    assert components["collectors"]["shards"] == 16
    assert components["collectors"]["stream_connections"] == 4
    assert components["collectors"]["trades_per_s"] == 11
    assert components["collectors"]["storage_delay_ms"] == 500


def test_without_collectors_it_is_degraded(server: Server, redis: Redis) -> None:
    health = server.data(HEALTH)
    assert health["status"] == "degraded"
    assert health["components"]["collectors"]["status"] == "not_running"


def test_with_every_service_away_it_says_so_in_time(start_server: StartServer) -> None:
    server = start_server(**AWAY)
    before = time.monotonic()
    health = server.data(HEALTH)
    assert time.monotonic() - before < 2.5
    assert health["status"] == "unhealthy"
    assert health["trades_processed_total"] is None
    assert {part["status"] for part in health["components"].values()} == {"unavailable", "unknown"}


def test_with_one_of_two_clickhouse_nodes_away_the_other_is_served(start_server: StartServer, two: ClickHouse) -> None:
    store(two, [Row(n, symbol=symbol) for symbol in ("BTCUSDT", "ETHUSDT") for n in range(5)])
    away = shard_of("BTCUSDT") % 2
    nodes = ",".join("127.0.0.1:1" if number == away else str(each) for number, each in enumerate(two.addresses))
    here = two.addresses[0]
    server = start_server(
        CLICKHOUSE_NODES=nodes,
        CLICKHOUSE_DATABASE=here.database,
        CLICKHOUSE_USERNAME=here.username,
        CLICKHOUSE_PASSWORD=here.password,
    )
    health = server.data(HEALTH)
    assert health["clickhouse_status"] == "degraded"
    assert health["components"]["clickhouse"] == {
        "status": "degraded",
        f"node {away + 1}": "unavailable",
        f"node {2 - away}": "healthy",
    }
    assert health["trades_processed_total"] is None
    assert server.get("/api/v1/monitoring/ready").status_code == 200
    assert len(server.data("/api/v1/data/trades/ETHUSDT?limit=10")) == 5
    assert server.data("/api/v1/data/klines/ETHUSDT?timeframe=1")
    refused = server.get("/api/v1/data/trades/BTCUSDT?limit=10")
    assert (refused.status_code, "127.0.0.1:1" in refused.text) == (503, False)


def test_services_that_accept_and_never_answer_do_not_hold_it_up(start_server: StartServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        server = start_server(
            **only_at(port),
            DATABASE_URL=f"postgresql://nobody@127.0.0.1:{port}/none",
            REDIS_URL=f"redis://127.0.0.1:{port}/0",
        )
        for _ in range(3):
            before = time.monotonic()
            assert server.data(HEALTH)["status"] == "unhealthy"
            # Each service is waited for 1.5 s; one after another, that would be 4.5 s.
            assert time.monotonic() - before < 4.0


@pytest.mark.parametrize(
    ("away", "status"),
    [
        ({}, "healthy"),
        ({"nodes": [False]}, "unhealthy"),
        ({"nodes": [False, True]}, "degraded"),
        ({"nodes": [False, False]}, "unhealthy"),
        ({"postgres": False}, "unhealthy"),
        ({"redis": False}, "degraded"),
        ({"workers": 0}, "degraded"),
        ({"shards": 15}, "degraded"),
        ({"disk_free_percent": 1.0}, "degraded"),
    ],
)
def test_the_status_is_the_worst_of_its_parts(away: dict[str, object], status: str) -> None:
    fine = {"nodes": [True], "postgres": True, "redis": True, "workers": 2, "shards": 16, "disk_free_percent": 50.0}
    assert overall(**{**fine, **away}) == status  # type: ignore[arg-type]
