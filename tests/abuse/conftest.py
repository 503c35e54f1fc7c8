"""Web processes and exchanges that are abused."""

from __future__ import annotations

from tests.api.conftest import start_server, test_database_url

__all__ = ["start_server", "test_database_url"]
