"""The web process of the REST tests and a market that goes on, asked by the client that users copy."""

from __future__ import annotations

from tests.api.conftest import _shared_server, server, start_server, test_database_url
from tests.streaming.conftest import market

__all__ = ["_shared_server", "market", "server", "start_server", "test_database_url"]
