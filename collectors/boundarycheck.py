"""What only the exchange can say: whether trades of a quiet symbol went by unseen, whether a first trade is real, and
whether there was one before it.

A stream shows a break in ids only with the next trade, which on a quiet symbol may be an hour away. The 24 h ticker
tells the last trade id of every symbol for a weight of 40; only where it is ahead of the table is the symbol itself
asked. The first trade of a contract that no other one bears out is asked for under its id. Where the stream broke or
the owner changed before a contract began, its first trade may have gone by unseen, and no later id shows it: it is
asked for by time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from collectors.binance.rest import ExchangeProblem, Rest, TooOld, UnknownContract
from dataprovider.clickhouse import ClickHouse, ClickHouseError

logger = logging.getLogger(__name__)

#: How long a symbol may be silent after an interruption, or after its first trade, before the exchange is asked
#: (seconds).
SILENT_SECONDS = 5.0
#: The pause between two rounds of one worker (seconds), and how many symbols a round asks: at most 40 + 40 · 20 weight
#: of the budget that all share.
PAUSE_SECONDS = 30.0
SYMBOLS_PER_ROUND = 40
#: REST is asked by time for less than an hour.
MOST_SECONDS = 3_500.0


@dataclass(frozen=True, slots=True)
class Questions:
    """`last_ids`: symbol -> highest id here, of those that were interrupted. `firsts`: symbol -> id of a trade that may
    be its first. `starts`: symbol -> how many seconds ago its first trade may have gone by unseen."""

    last_ids: Mapping[str, int]
    firsts: Mapping[str, int]
    starts: Mapping[str, float] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.last_ids or self.firsts or self.starts)


@dataclass(slots=True)
class Answers:
    """`newest_ids`: symbol -> highest id the exchange has, where that is ahead. `firsts`: symbol -> the id in question,
    and whether the exchange has it. `starts`: symbol -> the first and the last id that the exchange has since that
    time; None when it has none. Symbols that could not be settled are left out."""

    newest_ids: dict[str, int] = field(default_factory=dict)
    firsts: dict[str, tuple[int, bool]] = field(default_factory=dict)
    starts: dict[str, tuple[int, int] | None] = field(default_factory=dict)


def ask(rest: Rest, store: ClickHouse, questions: Questions) -> Answers:
    """Ask the exchange, as much as one round may; never raises."""
    answers = Answers()
    try:
        asked = _newest_ids(rest, store, questions.last_ids, answers.newest_ids)
        for symbol, aggregate_id in islice(questions.firsts.items(), SYMBOLS_PER_ROUND - asked):
            real = _has(rest, symbol, aggregate_id)
            asked += 1
            if real is not None:
                answers.firsts[symbol] = aggregate_id, real
        _starts(rest, dict(islice(questions.starts.items(), SYMBOLS_PER_ROUND - asked)), answers.starts)
    except (ExchangeProblem, ClickHouseError) as problem:
        logger.info("Quiet symbols could not be checked: %s", problem)
    return answers


def _newest_ids(rest: Rest, store: ClickHouse, last_ids: Mapping[str, int], found: dict[str, int]) -> int:
    """Fill `found`; how many symbols were asked for."""
    if not last_ids:
        return 0
    ahead = _ahead(rest, store, last_ids)[:SYMBOLS_PER_ROUND]
    for symbol in ahead:
        try:
            newest = rest.last_aggregate_id(symbol)
        except UnknownContract:
            continue
        if newest is not None and newest > last_ids[symbol]:
            found[symbol] = newest
    return len(ahead)


def _starts(rest: Rest, starts: Mapping[str, float], found: dict[str, tuple[int, int] | None]) -> None:
    if not starts:
        return
    now_ms = rest.server_time_ms()
    for symbol, seconds in starts.items():
        since_ms = now_ms - int(1000 * min(seconds, MOST_SECONDS))
        try:
            page = rest.agg_trades_between(symbol, since_ms, now_ms)
        except (TooOld, UnknownContract):
            found[symbol] = None
        else:
            found[symbol] = (int(page.aggregate_id[0]), int(page.aggregate_id[-1])) if len(page) else None


def _has(rest: Rest, symbol: str, aggregate_id: int) -> bool | None:
    """Whether the exchange has this trade among its newest; None when it cannot tell."""
    try:
        page = rest.agg_trades(symbol, aggregate_id, 1)
    except TooOld:
        # It was just received: an id of long ago is not its own.
        return False
    except UnknownContract:
        return None
    return len(page) > 0 and int(page.aggregate_id[0]) == aggregate_id


def _ahead(rest: Rest, store: ClickHouse, last_ids: Mapping[str, int]) -> list[str]:
    tickers = rest.last_trade_ids()
    return [symbol for symbol in sorted(last_ids) if _is_ahead(store, symbol, last_ids[symbol], tickers)]


def _is_ahead(store: ClickHouse, symbol: str, last_id: int, tickers: Mapping[str, int]) -> bool:
    rows = store.query("trades_from_id", symbol=symbol, from_id=last_id, limit=1)
    # What is still on its way to the table was seen by us: only the stored trade that is our last one can be compared.
    return bool(rows) and int(rows[0][0]) == last_id and tickers.get(symbol, -1) > int(rows[0][4])
