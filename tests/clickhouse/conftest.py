"""`move`: a shard of two nodes with trades, on its way."""

from __future__ import annotations

import pytest

from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.moving import Move
from tests.clickhouse.moves import ROWS, SHARD, TARGET
from tests.clickhouse.trades import store


@pytest.fixture
def move(two: ClickHouse) -> Move:
    """BTCUSDT's shard on its way, with trades of three months."""
    store(two, ROWS)
    return Move(two.nodes, SHARD, TARGET)
