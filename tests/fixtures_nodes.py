"""`two`: two ClickHouse servers of their own as one, empty at the start of each test that asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from dataprovider.clickhouse import Address, ClickHouse, migrate
from dataprovider.config import load_config
from dataprovider.embedded import ServiceStack


@pytest.fixture(scope="module")
def two_servers() -> Iterator[ServiceStack]:
    """Two servers that know each other."""
    with TemporaryDirectory(prefix="dataprovider-nodes-") as home:
        stack = ServiceStack(Path(home), environ={"DATABASE_URL": "none", "REDIS_URL": "none"}, nodes=2)
        stack.start()
        yield stack
        stack.stop()


@pytest.fixture(scope="module")
def addresses(two_servers: ServiceStack) -> tuple[Address, ...]:
    """Where they are, in their order."""
    return Address.of_nodes(load_config(two_servers.variables(), two_servers.home))


@pytest.fixture
def two(addresses: tuple[Address, ...]) -> Iterator[ClickHouse]:
    """Both, with shard s on node s mod 2."""
    client = ClickHouse(addresses, timeout=5)
    for table in ("trades_local", "trades_arriving", "trades_moved", "shard_epochs", "revoked_claims", "placement"):
        client.run_text(f"TRUNCATE TABLE IF EXISTS `{addresses[0].database}`.{table}")
    migrate(addresses)
    yield client
    client.close()
