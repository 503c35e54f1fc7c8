"""The web process of the API's tests, and Valkey without counts of earlier requests."""

from __future__ import annotations

import pytest
from django.conf import settings
from redis import Redis

from tests.api.conftest import _shared_server, server, start_server, test_database_url  # noqa: F401


@pytest.fixture(autouse=True)
def nothing_counted() -> None:
    """Nobody has called yet."""
    with Redis.from_url(settings.CONFIG.redis_url) as redis:
        for key in redis.scan_iter(match="dataprovider:limit:*"):
            redis.delete(key)
