"""The web process of the REST and streaming tests, asked as other people's clients ask."""

from __future__ import annotations

from tests.api.conftest import _shared_server, server, start_server, test_database_url
from tests.streaming.conftest import connect

__all__ = ["_shared_server", "connect", "server", "start_server", "test_database_url"]
