"""The `@kline_<interval>` streams: the current candle so far, when it changed, and once more when it closed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson

from dataprovider.simulator.hub import Hub
from dataprovider.simulator.klines import Candle, KlineText, fold, following, opening
from dataprovider.simulator.market import Market

#: Binance sends a changed candle at most this often.
EVERY_S = 0.25
#: A trade is seen at most this long after its time; a candle whose end is further back has them all.
LATEST_TRADE_MS = 160


@dataclass(slots=True)
class _Progress:
    """How far a subscribed candle was folded."""

    open_ms: int
    next_id: int
    candle: Candle | None = None
    closed: bool = False


class KlineStreams:
    """Folds the trades of subscribed candles, from the market's own record, and sends what changed."""

    def __init__(self, market: Market, hub: Hub) -> None:
        self._market = market
        self._hub = hub
        self._progress: dict[tuple[int, str], _Progress] = {}
        self._texts = [KlineText(contract) for contract in market.contracts]

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            self.beat()

    def beat(self) -> None:
        now = self._market.now_ms()
        for key in [key for key in self._progress if not self._hub.klines.get(key)]:
            del self._progress[key]
        for key, subscribers in list(self._hub.klines.items()):
            if subscribers:
                self._advance(key, now)

    def forget(self) -> None:
        """Begin again with the candles of now: what the clock jumped over is not sent."""
        self._progress.clear()

    def _advance(self, key: tuple[int, str], now_ms: int) -> None:
        contract, interval = key
        symbol = self._market.contracts[contract].symbol
        progress = self._progress.get(key)
        if progress is None:
            open_ms = opening(interval, now_ms)
            progress = _Progress(open_ms, self._market.first_id_since(symbol, open_ms, now_ms))
            self._progress[key] = progress
        end_id = self._market.ids(symbol, now_ms)[1]
        if end_id > progress.next_id:
            candles = {} if progress.candle is None else {progress.open_ms: progress.candle}
            fold(self._market.read(symbol, progress.next_id, end_id), interval, candles)
            *passed, newest = sorted(candles)
            for open_ms in passed:
                if open_ms != progress.open_ms or not progress.closed:
                    self._send(key, candles[open_ms], now_ms, closed=True)
            progress.closed = progress.closed and newest == progress.open_ms
            progress.open_ms, progress.candle, progress.next_id = newest, candles[newest], end_id
            self._send(key, candles[newest], now_ms, closed=False)
        over = now_ms >= following(interval, progress.open_ms) + LATEST_TRADE_MS
        if progress.candle is not None and over and not progress.closed:
            self._send(key, progress.candle, now_ms, closed=True)
            progress.closed = True

    def _send(self, key: tuple[int, str], candle: Candle, now_ms: int, *, closed: bool) -> None:
        contract, interval = key
        event = self._texts[contract].event(candle, interval, event_ms=now_ms, closed=closed)
        raw = orjson.dumps(event)
        name = f"{self._market.contracts[contract].stream_symbol}@kline_{interval}"
        wrapped = b'{"stream":"' + name.encode() + b'","data":' + raw + b"}"
        for connection in self._hub.klines[key]:
            connection.send(wrapped if connection.wrapped else raw)
