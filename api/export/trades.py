"""Trades of any range, read in pieces by the primary key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import numpy.typing as npt

from api.export.parameters import TradesExport
from api.failures import BadParameter
from api.market import check_known, check_range
from api.parameters import MAX_ID, MAX_TIME_MS
from api.store import Store

#: Trades that are in memory at once, as one piece.
PIECE = 50_000

_DAY_MS = 86_400_000
_TYPES: tuple[type[np.generic], ...] = (np.uint64, np.int64, np.int64, np.uint64, np.uint64, np.int64, np.uint8)

#: Aggregate id, price, quantity (counts of 10^-8), first trade id, last trade id, time (ms), is buyer maker (0 or 1).
Columns = list[npt.NDArray[Any]]


async def trade_pieces(store: Store, symbol: str, asked: TradesExport) -> AsyncIterator[Columns]:
    """The trades in the order of time, then id, at most PIECE of them at once; no empty piece.

    Raises BadParameter, UnknownSymbol and what Store.query raises, before the first piece or between two.
    """
    check_range(asked.start_time, asked.end_time)
    from_id, to_id = asked.from_id or 0, MAX_ID if asked.to_id is None else asked.to_id
    if from_id > to_id:
        raise BadParameter(f"from_id: must not be above to_id (it is {from_id}, to_id is {to_id})")
    ((days, first, last),) = await store.query("days_of_ids", symbol=symbol, from_id=from_id, to_id=to_id)
    if not days:
        await check_known(store, symbol)
        return
    start = max(asked.start_time or 0, first * 1000)
    end = MAX_TIME_MS if asked.end_time is None else asked.end_time
    # What is being collected now may go on beyond the last day.
    end = min(end, last * 1000 + _DAY_MS - 1) if asked.to_id is not None else end
    start_id = 0
    while True:
        where = {"symbol": symbol, "start": start, "start_id": start_id, "end": end, "from_id": from_id, "to_id": to_id}
        columns = await store.ask(lambda clickhouse, w=where: _piece(clickhouse, w))  # type: ignore[misc]
        if len(columns[0]):
            yield columns
        if len(columns[0]) < PIECE:
            return
        start, start_id = int(columns[5][-1]), int(columns[0][-1]) + 1


def _piece(clickhouse: Any, where: dict[str, Any]) -> Columns:
    """PIECE rows, and those of the same time and id as the last one; fewer only at the end of the range."""
    found = clickhouse.query_columns("trades_page", **where, limit=PIECE)
    columns: Columns = [np.array(c, dtype=t) for c, t in zip(found or [()] * len(_TYPES), _TYPES, strict=True)]
    order = np.lexsort((columns[3], columns[0], columns[5]))
    return [column[order] for column in columns]
