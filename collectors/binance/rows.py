"""Aggregated trades of REST answers: from rows to exact columns. A row that makes no sense is never half a trade."""

from __future__ import annotations

from reprlib import Repr
from typing import Any

import numpy as np

from collectors.binance.frames import MAX_ID, MAX_TIME, MIN_TIME
from dataprovider.clickhouse import TradeColumns
from dataprovider.decimals import to_count


class SenselessRow(ValueError):
    """`str()` shows the row and what is wrong with it."""


#: Of a row that makes no sense, how much is shown: it may be anything, of any depth.
_SHOWN = 200
_SHORT = Repr()
_SHORT.maxdict, _SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother, _SHORT.maxlong = 12, 2, 40, 40, 40


def trade_columns(symbol: str, rows: list[dict[str, Any]]) -> TradeColumns:
    """The rows of an aggTrades answer (`{"a","p","q","f","l","T","m"}`, others are tolerated) as they came.

    Raises SenselessRow, also for ids that descend.
    """
    trades = [_trade(row) for row in rows]
    for row, trade, following in zip(rows[1:], trades, trades[1:], strict=False):
        if following[0] < trade[0]:
            raise SenselessRow(f"its id descends: {_shown(row)}")
    ids, prices, quantities, firsts, lasts, times, makers = zip(*trades, strict=True) if trades else ((),) * 7
    return TradeColumns(
        symbol=np.full(len(trades), symbol, dtype=object),
        aggregate_id=np.array(ids, dtype=np.uint64),
        price=np.array(prices, dtype=np.int64),
        quantity=np.array(quantities, dtype=np.int64),
        first_trade_id=np.array(firsts, dtype=np.uint64),
        last_trade_id=np.array(lasts, dtype=np.uint64),
        timestamp=np.array(times, dtype=np.int64),
        is_buyer_maker=np.array(makers, dtype=np.uint8),
    )


def _trade(row: dict[str, Any]) -> tuple[int, int, int, int, int, int, bool]:
    try:
        aggregate_id, first, last, timestamp, is_maker = row["a"], row["f"], row["l"], row["T"], row["m"]
        price, quantity = to_count(row["p"]), to_count(row["q"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SenselessRow(f"{type(error).__name__}: {_shown(row)}") from None
    # True and 1.0 are equal to 1 and are no ids.
    if not all(type(number) is int for number in (aggregate_id, first, last, timestamp)) or type(is_maker) is not bool:
        raise SenselessRow(f"a field of the wrong type: {_shown(row)}")
    if not (0 <= aggregate_id < MAX_ID and 0 <= first <= last < MAX_ID):
        raise SenselessRow(f"absurd ids: {_shown(row)}")
    if price <= 0:
        raise SenselessRow(f"absurd price: {_shown(row)}")
    if not MIN_TIME <= timestamp < MAX_TIME:
        raise SenselessRow(f"absurd time: {_shown(row)}")
    return aggregate_id, price, quantity, first, last, timestamp, is_maker


def _shown(row: object) -> str:
    return _SHORT.repr(row)[:_SHOWN]
