"""Fetching ids by REST, page after page, and what the pages prove to be absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from collectors.beginning import SUSPICIOUS_JUMP
from collectors.binance.clock import ExchangeClock
from collectors.binance.rest import Rest
from integrity.recovery.fill import Filler
from integrity.recovery.outcome import MAKES_ROOM, Later
from integrity.recovery.planner import PAGE, Range, within

#: What follows a hole must be so old (ms, by the exchange's clock) before REST is believed that the hole is its own.
SETTLED_MS = 30_000

#: After so many pages more urgent work may go first.
PAGES_IN_A_ROW = 5

#: first id, last id, evidence.
Absent = tuple[int, int, dict[str, Any]]


def fetch_ids(
    rest: Rest,
    filler: Filler,
    clock: ExchangeClock,
    symbol: str,
    missing: Sequence[Range],
    *,
    bounds: Sequence[Range],
    makes_room: Callable[[], bool],
    moved: Callable[[int, int], None],
    absent: list[Absent],
    doubtful: bool = False,
) -> Later | None:
    """Store the trades of `missing` (ascending ranges); what the exchange skips is added to `absent` with its evidence.

    A page brings more than was asked for: of that only ids in `bounds` are stored, which other gaps name.
    `makes_room()`, asked after every few pages: more urgent work waits, so that this goes on later.
    `moved(read, stored)` is told of each page. `doubtful`: the ids may be absurd, and are when they lie far beyond the
    newest that the exchange has. Returns Later when the exchange has not got that far yet. Raises what
    Rest (TooOld among it) and Filler raise.
    """
    position = -1
    pages = 0
    for first, last in missing:
        position = max(position, first)
        while position <= last:
            pages += 1
            if pages % PAGES_IN_A_ROW == 0 and makes_room():
                return MAKES_ROOM
            page = rest.agg_trades(symbol, position, PAGE)
            if not len(page):
                newest = rest.last_aggregate_id(symbol) if doubtful else None
                if newest is None or position <= newest + SUSPICIOUS_JUMP:
                    return Later(f"The exchange has no trade {position} of {symbol} yet.", 15.0)
                evidence = {"source": "rest", "asked_from": position, "at_ms": clock.now_ms(), "newest_id": newest}
                absent.append((position, last, evidence))
                break
            skipped = _skipped(page.aggregate_id.astype(np.int64).tolist(), position)
            inside = within(skipped, missing)
            now_ms = clock.now_ms()
            for hole in inside:
                after = int(np.searchsorted(page.aggregate_id, hole[1]))
                if now_ms - int(page.timestamp[after]) < SETTLED_MS:
                    return Later(f"REST skips {hole[0]}–{hole[1]} of {symbol}; that is believed later.", 20.0)
            stored = filler.fill(page, bounds)
            evidence = {"source": "rest", "asked_from": position, "at_ms": now_ms}
            absent.extend(
                (low, high, {**evidence, "next_id": int(page.aggregate_id[np.searchsorted(page.aggregate_id, high)])})
                for low, high in inside
            )
            moved(len(page), stored)
            position = int(page.aggregate_id[-1]) + 1
    return None


def _skipped(ids: Sequence[int], asked_from: int) -> list[Range]:
    """The ids from `asked_from` on that a page jumps over."""
    found = []
    expected = asked_from
    for each in ids:
        if each > expected:
            found.append((expected, each - 1))
        expected = each + 1
    return found
