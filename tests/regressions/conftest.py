"""`quiet_exchange`: one exchange for all tests of this folder that only ask its REST and its archives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures_exchange import RunningExchange
from tests.integrity.archives import Overlay
from tests.streaming.conftest import connect, market, start_server, test_database_url  # noqa: F401


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningExchange, Overlay]]:
    folder = tmp_path_factory.mktemp("regressions")
    overlay = Overlay(folder / "overlay")
    arguments = ("--port", "0", "--symbols", "3", "--rate", "30", "--history-days", "1")
    exchange = RunningExchange(folder / "stderr.txt", *arguments, "--archive-overlay", str(overlay.folder))
    yield exchange, overlay
    exchange.stop()
    assert "Traceback" not in exchange.errors, exchange.errors


@pytest.fixture
def quiet_exchange(_shared: tuple[RunningExchange, Overlay]) -> Iterator[RunningExchange]:
    """Three symbols, 30 trades a second between them, and a day of history."""
    exchange, _ = _shared
    yield exchange
    exchange.delete("/simulator/faults")


@pytest.fixture
def overlay(_shared: tuple[RunningExchange, Overlay]) -> Overlay:
    """Archives to lay over those of `quiet_exchange`."""
    return _shared[1]
