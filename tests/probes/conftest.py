"""Web processes, and services of these tests' own to be stopped."""

from __future__ import annotations

from tests.api.conftest import start_server, test_database_url
from tests.embedded.conftest import make_stack

__all__ = ["make_stack", "start_server", "test_database_url"]
