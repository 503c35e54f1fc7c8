"""The web process of tests/api, for this folder too."""

from __future__ import annotations

from tests.api.conftest import _shared_server, server, start_server, test_database_url

__all__ = ["_shared_server", "server", "start_server", "test_database_url"]
