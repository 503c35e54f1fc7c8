"""`clickhouse`: the test stack's ClickHouse, migrated, and empty at the start of each test that asks for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dataprovider.clickhouse import Address, ClickHouse, migrate


@pytest.fixture(scope="session")
def clickhouse_addresses() -> tuple[Address, ...]:
    """Where the test stack's ClickHouse is, and the database of this test run."""
    from django.conf import settings

    return Address.of_nodes(settings.CONFIG)


@pytest.fixture(scope="session")
def migrated_clickhouse(clickhouse_addresses: tuple[Address, ...]) -> Iterator[ClickHouse]:
    """A client of the migrated database, with whatever the tests before left in it."""
    client = ClickHouse(clickhouse_addresses)
    migrate(client.addresses)
    yield client
    client.close()


@pytest.fixture
def clickhouse(migrated_clickhouse: ClickHouse) -> ClickHouse:
    """The same, without any trade and any epoch."""
    migrated_clickhouse.run_text("TRUNCATE TABLE trades_local")
    migrated_clickhouse.run_text("TRUNCATE TABLE shard_epochs")
    migrated_clickhouse.run_text("TRUNCATE TABLE revoked_claims")
    return migrated_clickhouse
