"""One aggregated trade inside the collectors: a plain tuple, since 20,000 of them are made a second."""

from __future__ import annotations

from typing import NamedTuple


class Trade(NamedTuple):
    """An aggregated trade. Prices and quantities are counts of 10^-8; times are ms since the Unix epoch (UTC)."""

    symbol: str
    aggregate_id: int
    price: int
    quantity: int
    first_trade_id: int
    last_trade_id: int
    timestamp: int
    is_buyer_maker: bool
    event_time: int
