"""The web process of the REST tests, Valkey empty, and a browser."""

from __future__ import annotations

from tests.dashboard.browser import browser
from tests.tickers.conftest import _shared_server, redis, server, start_server, test_database_url

__all__ = ["_shared_server", "browser", "redis", "server", "start_server", "test_database_url"]
