"""Made-up trades for tests of the collectors."""

from __future__ import annotations

from collectors.trade import Trade

START_MS = 1_700_000_000_000


def trade(
    aggregate_id: int, symbol: str = "BTCUSDT", *, first_trade_id: int | None = None, ms: int | None = None
) -> Trade:
    """A trade that its id determines."""
    first = aggregate_id * 3 if first_trade_id is None else first_trade_id
    at = START_MS + aggregate_id * 10 if ms is None else ms
    return Trade(
        symbol, aggregate_id, 4_200_000_000_000, 1_000_000, first, first + 1, at, aggregate_id % 2 == 0, at + 50
    )
