"""Web processes and exchanges that are abused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dataprovider.clickhouse import ClickHouse
from dataprovider.logs import LONGEST_MESSAGE
from tests.abuse.between import Between
from tests.abuse.web import LIVE, MB, assert_served, process_of
from tests.alerts.conftest import free_port
from tests.api.conftest import Server, running, start_server, test_database_url
from tests.clickhouse.trades import NEW_YEAR, Row, store, stored
from tests.fixtures_exchange import RunningExchange

__all__ = ["free_port", "start_server", "test_database_url"]


@pytest.fixture
def between() -> Iterator[Callable[[RunningExchange], Between]]:
    """between(exchange): a man in the middle of its streams."""
    made: list[Between] = []

    def start(exchange: RunningExchange) -> Between:
        made.append(Between(exchange.port))
        return made[-1]

    yield start
    for each in made:
        each.close()


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web") / "daphne.log"


@pytest.fixture(scope="module")
def _web(test_database_url: str, migrated_clickhouse: ClickHouse, log: Path) -> Iterator[Server]:
    said = {
        "DATABASE_URL": test_database_url,
        "BINANCE_REST_URL": "http://127.0.0.1:1",
        "WEBSOCKET_SUBSCRIPTIONS_PER_CONNECTION": "50",
    }
    with running(said, log, "tests.abuse.impatient:application") as server:
        yield server


@pytest.fixture
def web(_web: Server, clickhouse: ClickHouse, transactional_db: None, log: Path) -> Iterator[Server]:
    """A web process with one trade to show; whatever a test did, it serves, is small and has nothing to complain of."""
    store(clickhouse, [Row(1, NEW_YEAR)])
    process = process_of(_web)
    _web.get(LIVE)
    before = process.memory_info().rss
    yield _web
    assert_served(_web)
    assert process.memory_info().rss < before + 100 * MB
    text = log.read_text()
    assert "Traceback" not in text
    # Daphne's own lines are written only here: the product runs it with -v 0.
    assert max(len(line) for line in text.splitlines() if " - - [" not in line) < LONGEST_MESSAGE + 200
    assert stored(clickhouse) == 1
