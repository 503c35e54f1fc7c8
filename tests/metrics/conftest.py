"""The web process of the REST tests, and Valkey empty."""

from __future__ import annotations

from tests.tickers.conftest import _shared_server, redis, server, start_server, test_database_url

__all__ = ["_shared_server", "redis", "server", "start_server", "test_database_url"]
