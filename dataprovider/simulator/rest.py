"""The REST face: /fapi/v1/*, with weights, windows and error answers as Binance's."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import orjson
from aiohttp import web

from dataprovider.simulator import errors
from dataprovider.simulator.errors import ExchangeError
from dataprovider.simulator.faults import Faults, RateLimit, RestError
from dataprovider.simulator.frames import rest_text
from dataprovider.simulator.klines import INTERVALS, KlineText, filled, fold, following, opening
from dataprovider.simulator.limits import Limits
from dataprovider.simulator.market import Market
from dataprovider.simulator.spending import Spending
from dataprovider.simulator.symbols import Contract, ContractList
from dataprovider.simulator.tickers import ticker
from dataprovider.simulator.trades import Trades, joined
from dataprovider.simulator.weights import Weights

HOUR_MS = 3_600_000
#: Weight of a request: fixed, or by its parameters.
Weight = int | Callable[[web.Request], int]
Handler = Callable[[web.Request], Awaitable[bytes]]


class Rest:
    """Handlers of /fapi/v1/*. `wall` gives the wall's milliseconds (for bans)."""

    def __init__(
        self, market: Market, listed: ContractList, limits: Limits, faults: Faults, wall: Callable[[], int]
    ) -> None:
        self._market = market
        self._listed = listed
        self._limits = limits
        self._faults = faults
        self._wall = wall
        self._weights = Weights(limits, wall)
        self._contracts = {contract.symbol: contract for contract in market.contracts}
        #: Long answers are made in a thread, one at a time, so that the streams go on.
        self._heavy = asyncio.Lock()

    @property
    def spending(self) -> Spending:
        return self._weights.spending

    def add_routes(self, router: web.UrlDispatcher) -> None:
        self._add(router, "ping", 1, self._ping)
        self._add(router, "time", 1, self._time)
        self._add(router, "exchangeInfo", 1, self._exchange_info)
        self._add(router, "aggTrades", 20, self._agg_trades)
        self._add(router, "klines", _kline_weight, self._klines)
        self._add(router, "ticker/24hr", lambda request: 1 if request.query.get("symbol") else 40, self._ticker)

    def _add(self, router: web.UrlDispatcher, name: str, weight: Weight, handler: Handler) -> None:
        async def answer(request: web.Request) -> web.Response:
            return await self._answered(request, weight, handler)

        router.add_get(f"/fapi/v1/{name}", answer)

    async def _answered(self, request: web.Request, weight: Weight, handler: Handler) -> web.Response:
        address = request.remote or ""
        self.spending.requests += 1
        try:
            self._fail(address)
            self._weights.use(address, weight if isinstance(weight, int) else weight(request))
            body, status, headers = await handler(request), 200, {}
        except ExchangeError as error:
            body, status = error.body(), error.status
            self.spending.refused += status in (429, 418)
            headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
        headers["X-MBX-USED-WEIGHT-1M"] = str(self._weights.used(address))
        return web.Response(body=body, status=status, headers=headers, content_type="application/json")

    def _fail(self, address: str) -> None:
        for limit in self._faults.of(RateLimit):
            if limit.status == 418:
                raise errors.banned(address, self._wall() + limit.seconds * 1000, limit.seconds)
            raise errors.too_many_requests(address, self._limits.weight_per_minute, limit.seconds)
        for trouble in self._faults.of(RestError):
            raise ExchangeError(trouble.status, -1000, "An unknown error occurred while processing the request.")

    async def _ping(self, request: web.Request) -> bytes:
        return b"{}"

    async def _time(self, request: web.Request) -> bytes:
        return orjson.dumps({"serverTime": self._market.now_ms()})

    async def _exchange_info(self, request: web.Request) -> bytes:
        return self._listed.exchange_info(self._market.now_ms())

    async def _agg_trades(self, request: web.Request) -> bytes:
        contract = self._contract(request)
        limit = _limit(request, default=500, most=1000)
        from_id, start, end = (_number(request, name) for name in ("fromId", "startTime", "endTime"))
        now = self._market.now_ms()
        if from_id is not None and (start is not None or end is not None):
            raise errors.bad_combination()
        if start is not None and end is not None:
            if start > end:
                raise errors.times_reversed()
            if end - start >= HOUR_MS:
                raise errors.interval_too_long()
        oldest = now - int(self._limits.look_back_hours * HOUR_MS)
        if any(edge is not None and edge < oldest for edge in (start, end)):
            raise errors.beyond_look_back()
        return await asyncio.to_thread(self._rows, contract, limit, from_id, start, end, now, oldest)

    def _rows(
        self,
        contract: Contract,
        limit: int,
        from_id: int | None,
        start: int | None,
        end: int | None,
        now: int,
        oldest: int,
    ) -> bytes:
        symbol = contract.symbol
        _, last = self._market.ids(symbol, now)
        if from_id is not None:
            found_ms = self._market.time_of(symbol, from_id, now)
            if found_ms is not None and found_ms < oldest:
                raise errors.beyond_look_back()
            trades = self._some(symbol, from_id, last, limit)
        elif start is not None:
            stop = last if end is None else self._market.first_id_since(symbol, end + 1, now)
            trades = self._some(symbol, self._market.first_id_since(symbol, start, now), stop, limit)
        else:
            stop = last if end is None else self._market.first_id_since(symbol, end + 1, now)
            trades = self._market.latest(symbol, limit, stop)
            trades = trades.cut(int((trades.time < oldest).sum()), len(trades))
        text = rest_text(contract, has_normal=trades.normal is not None)
        return b"[" + b",".join(text.texts(trades)) + b"]"

    def _some(self, symbol: str, first_id: int, end_id: int, limit: int) -> Trades:
        parts: list[Trades] = []
        wanted = limit
        for piece in self._market.read(symbol, first_id, end_id):
            parts.append(piece.cut(0, wanted))
            wanted -= len(parts[-1])
            if not wanted:
                break
        return joined(parts)

    async def _klines(self, request: web.Request) -> bytes:
        contract = self._contract(request)
        interval = request.query.get("interval")
        if not interval:
            raise errors.missing_parameter("interval")
        if interval not in INTERVALS:
            raise errors.invalid_interval()
        limit = _limit(request, default=500, most=1500)
        start, end = _number(request, "startTime"), _number(request, "endTime")
        if start is not None and end is not None and start > end:
            raise errors.times_reversed()
        async with self._heavy:
            return await asyncio.to_thread(self._kline_rows, contract, interval, limit, start, end)

    def _kline_rows(self, contract: Contract, interval: str, limit: int, start: int | None, end: int | None) -> bytes:
        now = self._market.now_ms()
        symbol = contract.symbol
        first_id, _ = self._market.ids(symbol, now)
        begun = self._market.time_of(symbol, first_id, now)
        if begun is None:
            return b"[]"
        newest = opening(interval, now if end is None else min(end, now))
        if start is None:
            first = newest
            for _ in range(limit - 1):
                first = opening(interval, first - 1)
        else:
            first = opening(interval, start)
            first = first if first >= start else following(interval, first)
        first = max(first, opening(interval, begun))
        stop, count = first, 0
        while stop <= newest and count < limit:
            stop, count = following(interval, stop), count + 1
        low, high = (self._market.first_id_since(symbol, edge, now) for edge in (first, stop))
        candles = fold(self._market.read(symbol, low, high), interval)
        before = self._market.latest(symbol, 1, low) if low > first_id else None
        close = int(before.price[-1]) if before is not None and len(before) else None
        text = KlineText(contract)
        return orjson.dumps([text.row(candle, interval) for candle in filled(candles, interval, first, stop, close)])

    async def _ticker(self, request: web.Request) -> bytes:
        now = self._market.now_ms()
        if request.query.get("symbol"):
            async with self._heavy:
                return orjson.dumps(await asyncio.to_thread(ticker, self._market, self._contract(request), now))
        contracts = [contract for contract in self._market.contracts if contract.trading]
        async with self._heavy:
            found = await asyncio.to_thread(lambda: [ticker(self._market, contract, now) for contract in contracts])
        return orjson.dumps(found)

    def _contract(self, request: web.Request) -> Contract:
        symbol = request.query.get("symbol")
        if not symbol:
            raise errors.missing_parameter("symbol")
        contract = self._contracts.get(symbol)
        if contract is None:
            raise errors.invalid_symbol()
        return contract


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not text:
        raise errors.missing_parameter(name)
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise errors.illegal_characters(name)
    return int(text)


def _limit(request: web.Request, *, default: int, most: int) -> int:
    limit = _number(request, "limit")
    if limit is None:
        return default
    if not 1 <= limit <= most:
        raise errors.invalid_data("limit")
    return limit


def _kline_weight(request: web.Request) -> int:
    text = request.query.get("limit", "")
    limit = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else 500
    return 1 if limit < 100 else 2 if limit < 500 else 5 if limit <= 1000 else 10
