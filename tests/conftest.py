"""What every test can ask for. The services behind it are started by tests/services.py."""

from __future__ import annotations

pytest_plugins = [
    "tests.fixtures_clickhouse",
    "tests.fixtures_nodes",
    "tests.fixtures_exchange",
    "tests.fixtures_collectors",
    "tests.fixtures_recovery",
    "tests.collectors.archive_server",
]
