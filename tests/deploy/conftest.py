"""The web process of tests/api, here too."""

from tests.api.conftest import start_server, test_database_url

__all__ = ["start_server", "test_database_url"]
