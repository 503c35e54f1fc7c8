"""The web process of the REST tests, and Valkey empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from tests.api.conftest import _shared_server, server, start_server, test_database_url

__all__ = ["_shared_server", "server", "start_server", "test_database_url"]


@pytest.fixture
def redis() -> Iterator[Redis]:
    from django.conf import settings

    client = Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()
