"""Aggregated trades as columns: what every market hands out and every face turns into text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Int64s = NDArray[np.int64]

#: Prices and quantities are counts of this unit (10^-8), as everywhere in this project.
DECIMALS = 8
UNIT = 10**DECIMALS


@dataclass(frozen=True, slots=True)
class Trades:
    """Equal-length columns, in the order of the stream (ids ascending).

    `price`, `quantity` and `normal` (quantity without RPI fills; None where the exchange does not say) are counts of
    10^-8. `time` (first fill) and `event` (when the stream sends it) are milliseconds of the exchange's clock.
    `maker` is true when the buyer was the maker.
    """

    id: Int64s
    price: Int64s
    quantity: Int64s
    normal: Int64s | None
    first: Int64s
    last: Int64s
    time: Int64s
    event: Int64s
    maker: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.id)

    def cut(self, start: int, end: int) -> Trades:
        """The rows at positions start..end-1 (views, not copies)."""
        return Trades(
            self.id[start:end],
            self.price[start:end],
            self.quantity[start:end],
            None if self.normal is None else self.normal[start:end],
            self.first[start:end],
            self.last[start:end],
            self.time[start:end],
            self.event[start:end],
            self.maker[start:end],
        )

    def shifted(self, ids: int, trade_ids: int) -> Trades:
        """The same trades under other ids."""
        return replace(self, id=self.id + ids, first=self.first + trade_ids, last=self.last + trade_ids)


def no_trades() -> Trades:
    empty = np.empty(0, dtype=np.int64)
    return Trades(empty, empty, empty, None, empty, empty, empty, empty, np.empty(0, dtype=np.bool_))


def joined(parts: Sequence[Trades]) -> Trades:
    """One after the other; `normal` survives only if every part has it."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return no_trades()
    if len(parts) == 1:
        return parts[0]
    normals = [part.normal for part in parts if part.normal is not None]
    return Trades(
        np.concatenate([part.id for part in parts]),
        np.concatenate([part.price for part in parts]),
        np.concatenate([part.quantity for part in parts]),
        np.concatenate(normals) if len(normals) == len(parts) else None,
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.last for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.event for part in parts]),
        np.concatenate([part.maker for part in parts]),
    )
