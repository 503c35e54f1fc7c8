"""Quiet symbols after an interruption: asking the exchange whether trades went by while nobody listened.

A stream shows a break in ids only with the next trade, which on a quiet symbol may be an hour away. The 24 h ticker
tells the last trade id of every symbol for a weight of 40; only where it is ahead of the table
is the symbol itself asked.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from collectors.binance.rest import ExchangeProblem, Rest
from dataprovider.clickhouse import ClickHouse, ClickHouseError

logger = logging.getLogger(__name__)

#: How long a symbol may be silent after an interruption before the exchange is asked (seconds).
SILENT_SECONDS = 5.0
#: The pause between two rounds of one worker (seconds), and how many symbols a round asks: at most 40 + 40 · 20 weight
#: of the budget that all share.
PAUSE_SECONDS = 30.0
SYMBOLS_PER_ROUND = 40


def newest_ids(rest: Rest, store: ClickHouse, last_ids: Mapping[str, int]) -> dict[str, int]:
    """The highest aggregate id the exchange has, for those of `last_ids` (symbol -> highest id here) where it is ahead.

    Symbols that could not be settled in this round are left out; never raises.
    """
    found: dict[str, int] = {}
    try:
        tickers = rest.last_trade_ids()
        ahead = [symbol for symbol in sorted(last_ids) if _is_ahead(store, symbol, last_ids[symbol], tickers)]
        for symbol in ahead[:SYMBOLS_PER_ROUND]:
            newest = rest.last_aggregate_id(symbol)
            if newest is not None and newest > last_ids[symbol]:
                found[symbol] = newest
    except (ExchangeProblem, ClickHouseError) as problem:
        logger.info("Quiet symbols could not be checked: %s", problem)
    return found


def _is_ahead(store: ClickHouse, symbol: str, last_id: int, tickers: Mapping[str, int]) -> bool:
    rows = store.query("trades_from_id", symbol=symbol, from_id=last_id, limit=1)
    # What is still on its way to the table was seen by us: only the stored trade that is our last one can be compared.
    return bool(rows) and int(rows[0][0]) == last_id and tickers.get(symbol, -1) > int(rows[0][4])
