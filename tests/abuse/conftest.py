"""Web processes and exchanges that are abused."""

from __future__ import annotations

from tests.alerts.conftest import free_port
from tests.api.conftest import start_server, test_database_url

__all__ = ["free_port", "start_server", "test_database_url"]
