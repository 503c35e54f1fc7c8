"""Reading trades and candles out of the store."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError

from api.candles import NO_EVIDENCE, Candle, Evidence, Verdict, Window, candle_json, judged, needs_evidence
from api.cursors import Cursor, Way, link
from api.failures import BadParameter, UnknownSymbol
from api.parameters import MAX_ID, MAX_TIME_MS, Candles, Trades
from api.store import Rows, Store
from collectors.models import Symbol
from dataprovider.decimals import to_text
from integrity.checks import coverage

logger = logging.getLogger(__name__)

#: What is read around a window to see which ids come before and behind it (seconds): as a rule that is enough, and a
#: question of its own is not asked.
MARGIN = 60


async def candles(store: Store, symbol: str, asked: Candles) -> tuple[bytes, int, str | None]:
    """A JSON list of candles, ascending, how many there are, and a link to those of the range that did not fit in.

    With a start the first `limit` candles that open in the range, without one the last. Each is built from all of its
    trades, also where the range begins or ends. Buckets without trades have no candle.
    Raises BadParameter, UnknownSymbol and what Store.query raises.
    """
    found = await _found(store, symbol, asked)

    def written(known: list[Verdict]) -> bytes:
        return _json_list(list(map(candle_json, found.candles, known)))

    def written_if_settled() -> bytes | None:
        known = found.verdicts(NO_EVIDENCE)
        return None if needs_evidence(known, found.after) else written(known)

    data = await store.run(written_if_settled)
    if data is None:
        evidence = await evidence_for(store, symbol, found.candles, found.before, found.after)
        data = await store.run(lambda: written(found.verdicts(evidence)))
    return data, len(found.candles), found.others


async def judged_candles(store: Store, symbol: str, asked: Candles) -> list[tuple[Candle, Verdict]]:
    """The same candles with their verdicts. Raises as `candles` does."""
    found = await _found(store, symbol, asked)
    known = found.verdicts(NO_EVIDENCE)
    if needs_evidence(known, found.after):
        known = found.verdicts(await evidence_for(store, symbol, found.candles, found.before, found.after))
    return list(zip(found.candles, known, strict=True))


@dataclass(frozen=True, slots=True)
class _Found:
    """Candles as they are stored, ascending, the ids beside them, and the exchange's newest time (ms).

    others: a link to those of the range that did not fit in.
    """

    candles: list[Candle]
    timeframe: int
    before: int | None
    after: int | None
    exchange_time: int
    others: str | None

    def verdicts(self, evidence: Evidence) -> list[Verdict]:
        return judged(
            self.candles,
            timeframe=self.timeframe,
            id_before=self.before,
            id_after=self.after,
            exchange_time=self.exchange_time,
            evidence=evidence,
        )


async def _found(store: Store, symbol: str, asked: Candles) -> _Found:
    check_range(asked.start_time, asked.end_time)
    oldest, newest = await store.span()
    window = Window.of_open_times(asked.timeframe, asked.start_time, asked.end_time).within(
        oldest // 1000, newest // 1000, asked.timeframe
    )
    newest_first = asked.start_time is None
    # One more than asked for: its ids say whether the candle beside it is whole.
    read = await read_candles(
        store, symbol, window, asked.timeframe, asked.limit + 1, newest_first=newest_first, margin=MARGIN
    )
    found = [each for each in read if each.open_time in window.milliseconds]
    if not found:
        await check_known(store, symbol)
    others = beside = None
    if len(found) > asked.limit:
        beside = found.pop()
        others = (
            link("prev", asked.dict(), end_time=beside.open_time)
            if newest_first
            else link("next", asked.dict(), start_time=beside.open_time)
        )
    if newest_first:
        found.reverse()
    before = max((each.last_id for each in read if found and each.open_time < found[0].open_time), default=None)
    after = min((each.first_id for each in read if found and each.open_time > found[-1].open_time), default=None)
    # Ids that go on are told by the rows beside; where they do not, whoever is nearest is looked for.
    begins = beside is not None and newest_first
    begins = begins or oldest // 1000 >= window.since or (before is not None and before + 1 == found[0].first_id)
    ends = beside is not None and not newest_first
    ends = ends or newest // 1000 < window.until or (after is not None and after - 1 == found[-1].last_id)
    if not (begins and ends):
        near = await neighbours(store, symbol, window, oldest // 1000, newest // 1000)
        before = before if beside is not None and newest_first else near[0]
        after = after if beside is not None and not newest_first else near[1]
    return _Found(found, asked.timeframe, before, after, newest, others)


async def evidence_for(
    store: Store, symbol: str, candles: Sequence[Candle], before: int | None, after: int | None
) -> Evidence:
    """What Postgres knows of the ids of these candles and up to their neighbours; nothing while it is away."""
    first_id = min(each.first_id for each in candles)
    last_id = max(each.last_id for each in candles)

    def asked() -> Evidence:
        low = first_id if before is None else min(before + 1, first_id)
        high = last_id if after is None else max(after - 1, last_id)
        return Evidence(
            absent=coverage.absent_between(symbol, low, high),
            runs=coverage.runs_between(symbol, low, high),
            first_of_all=coverage.first_of_all(symbol) if before is None else None,
        )

    try:
        return await store.ask_postgres(asked)
    except DatabaseError as error:
        logger.warning("Candles are served without what Postgres knows: %s", str(error).strip().partition("\n")[0])
        return NO_EVIDENCE


async def read_candles(
    store: Store, symbol: str, window: Window, timeframe: int, limit: int, *, newest_first: bool, margin: int = 0
) -> list[Candle]:
    """The first `limit` candles of the window, or the last ones, newest first.

    Beside them what lies in the `margin` seconds before and behind the window: partial candles.
    """
    found: list[Candle] = []
    inside = 0
    for piece in window.pieces(timeframe, limit, newest_first=newest_first):
        rows = await store.query(
            "candles_last" if newest_first else "candles_first",
            symbol=symbol,
            timeframe=timeframe,
            since=max(0, piece.since - margin) if piece.since == window.since else piece.since,
            until=piece.until + margin if piece.until == window.until else piece.until,
            limit=limit - inside + (2 if margin else 0),
        )
        for candle in map(Candle.from_row, rows):
            is_inside = candle.open_time in window.milliseconds
            if inside < limit or not is_inside:
                found.append(candle)
                inside += is_inside
        if inside == limit:
            break
    return found


async def neighbours(
    store: Store, symbol: str, window: Window, oldest: int, newest: int
) -> tuple[int | None, int | None]:
    """The stored ids next to the window: the last one before it and the first one behind it, None where none is.

    `oldest` and `newest` (seconds) are the ends of everything stored.
    """
    params: dict[str, Any] = {"symbol": symbol, "since": window.since, "until": window.until}
    sides = {side: ids for side, *ids in await store.query("candle_neighbours", **params)}
    if (1 not in sides and oldest < window.since) or (0 not in sides and newest >= window.until):
        far = {side: ids for side, *ids in await store.query("candle_far_neighbours", **params)}
        sides = {**far, **sides}
    return sides[1][1] if 1 in sides else None, sides[0][0] if 0 in sides else None


async def trades(store: Store, symbol: str, asked: Trades) -> tuple[bytes, int, str | None]:
    """A JSON list of trades, ascending, how many there are, and a link to those of the range that did not fit in.

    From an id or a start on, or else the last ones (up to the end). Raises as `candles` does.
    """
    check_range(asked.start_time, asked.end_time)
    if asked.from_id is not None and (asked.start_time is not None or asked.end_time is not None):
        raise BadParameter("from_id: cannot be combined with start_time or end_time")
    here = _beginning(asked)
    if here is None:
        return *await latest_trades(store, symbol, asked.limit, end=asked.end_time), None
    limit = asked.limit + here.given + 1
    if here.way is Way.ID:
        rows = await store.query("trades_from_id", symbol=symbol, from_id=here.aggregate_id, limit=limit)
    else:
        where = {"start": here.time, "start_id": here.aggregate_id, "from_id": 0, "to_id": MAX_ID}
        end = MAX_TIME_MS if asked.end_time is None else asked.end_time
        rows = await store.query("trades_page", symbol=symbol, **where, end=end, limit=limit)
    page, following = here.page(rows, asked.limit)
    data, count = await _trades(store, symbol, page)
    return data, count, link("next", asked.dict(), cursor=following) if following else None


def _beginning(asked: Trades) -> Cursor | None:
    """Where the answer begins; None when it is the newest trades that are asked for."""
    if asked.from_id is not None:
        first = Cursor(Way.ID, 0, asked.from_id)
    elif asked.start_time is not None:
        first = Cursor(Way.TIME, asked.start_time, 0)
    elif asked.cursor is None:
        return None
    else:
        raise BadParameter("cursor: belongs to a range with a start_time or a from_id")
    if asked.cursor is None:
        return first
    here = Cursor.from_text(asked.cursor)
    if here is None or here.way is not first.way or (here.time, here.aggregate_id) < (first.time, first.aggregate_id):
        raise BadParameter("cursor: is none of this range; take it from the Link header of the answer before")
    return here


async def latest_trades(store: Store, symbol: str, limit: int, *, end: int | None = None) -> tuple[bytes, int]:
    """The last `limit` trades (up to `end`, ms), ascending, likewise."""
    rows = await store.query("trades_latest", symbol=symbol, end=MAX_TIME_MS if end is None else end, limit=limit)
    return await _trades(store, symbol, rows)


async def _trades(store: Store, symbol: str, rows: Rows) -> tuple[bytes, int]:
    if not rows:
        await check_known(store, symbol)
        return b"[]", 0

    def written() -> bytes:
        return _json_list([_trade_json(row) for row in sorted(rows, key=_trade_order)])

    return await store.run(written), len(rows)


def _trade_order(row: tuple[Any, ...]) -> tuple[int, int]:
    return row[0], row[3]


def _trade_json(row: tuple[Any, ...]) -> str:
    aggregate_id, price, quantity, first_trade_id, last_trade_id, timestamp, is_buyer_maker = row
    return (
        f'{{"aggregate_id":{aggregate_id},"price":{to_text(price)},"quantity":{to_text(quantity)},'
        f'"first_trade_id":{first_trade_id},"last_trade_id":{last_trade_id},"timestamp":{timestamp},'
        f'"is_buyer_maker":{"true" if is_buyer_maker else "false"}}}'
    )


def _json_list(items: list[str]) -> bytes:
    return f"[{','.join(items)}]".encode()


def check_range(start: int | None, end: int | None) -> None:
    if start is not None and end is not None and start > end:
        raise BadParameter(f"start_time: must not be after end_time (it is {start}, end_time is {end})")


async def check_known(store: Store, symbol: str) -> None:
    """Raise UnknownSymbol when it has no trades at all and the exchange's list does not have it either."""
    if await store.query("symbol_extent", symbols=[symbol]):
        return
    # Postgres takes no NUL in text, and no symbol is that long.
    if "\0" in symbol or len(symbol) > 64:
        raise UnknownSymbol(symbol)
    if not await store.ask_postgres(lambda: Symbol.objects.filter(name=symbol).exists()):
        raise UnknownSymbol(symbol)
