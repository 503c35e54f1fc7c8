"""What one client of the exchange's streams asks for: names in the address, commands in messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Sequence

from django.db import Error as DatabaseError

from api.binance.contracts import Digits, contract
from api.binance.streams.events import kline_event
from api.binance.streams.names import Stream, stream_of
from api.binance.streams.trades import Trades
from api.failures import UnknownSymbol
from api.market import check_known
from api.store import Store
from api.streaming.chart import Chart, Shown
from api.streaming.hub import Hub
from api.streaming.known import Known
from api.streaming.outbox import Outbox, Waiting
from dataprovider.clickhouse import ClickHouseError
from dataprovider.simulator.commands import Command, CommandError, answer, read_command

logger = logging.getLogger(__name__)

TOO_MANY = CommandError(4, "Too many subscriptions")
Leave = Callable[[], None]


class KlineSubscription:
    """Klines of one stream to one client. A kline is sent as closed once: what is corrected later is not sent here."""

    def __init__(
        self, chart: Chart, stream: Stream, digits: Digits, since: int, outbox: Outbox, text: Callable[[str], str]
    ) -> None:
        """`text` makes a message of an event."""
        self.chart = chart
        self.since = since
        self._stream = stream
        self._digits = digits
        self._outbox = outbox
        self._text = text
        self._open: tuple[Waiting | None, int] = None, -1

    @property
    def form(self) -> Hashable:
        return KlineSubscription, self._stream.interval_name

    def head(self, shown: Shown, exchange_ms: int) -> str:
        """The event."""
        interval = self.chart.interval
        return kline_event(self._stream.symbol, self._stream.interval_name, interval, self._digits, shown, exchange_ms)

    def update(self, shown: Shown, head: str, known: Known | None) -> None:
        """A kline that changed. While the one before it still waits to be sent, only the newer one is."""
        waiting, open_time = self._open
        if waiting is not None and not waiting.sent and open_time == shown.candle.open_time:
            waiting.text = self._text(head)
        else:
            self._open = self._outbox.put(self._text(head)), shown.candle.open_time
        if shown.verdict.closed:
            self.since = self.chart.interval.following(shown.candle.open_time)


class StreamTalk:
    """One client's streams. `wrapped`: each event comes with the name of its stream."""

    def __init__(
        self, hub: Hub, trades: Trades, store: Store, outbox: Outbox, *, wrapped: bool, most_streams: int
    ) -> None:
        self._hub = hub
        self._trades = trades
        self._store = store
        self._outbox = outbox
        self._wrapped = wrapped
        self._most = most_streams
        #: Names in the order they were subscribed, and how each is left.
        self._streams: dict[str, Leave] = {}
        self._turn = asyncio.Lock()

    async def take(self, message: str | bytes | None) -> None:
        """Obey one message; whatever is wrong with it is answered as the exchange does."""
        try:
            command = read_command(message or b"")
            result = await self._obey(command)
        except CommandError as error:
            self._outbox.put(error.answer().decode())
        else:
            self._outbox.put(answer(result, command.id).decode())

    def end(self) -> None:
        """The client has gone."""
        while self._streams:
            self._streams.popitem()[1]()

    async def begin(self, names: Iterable[str]) -> None:
        """Subscribe to what the address names."""
        try:
            await self._subscribe(names, None)
        except CommandError as error:
            self._outbox.put(error.answer().decode())

    async def _obey(self, command: Command) -> object:
        if command.method == "SUBSCRIBE":
            await self._subscribe(command.params, command.id)
        elif command.method == "UNSUBSCRIBE":
            for name in command.params:
                self._streams.pop(name, _nothing)()
        elif command.method == "LIST_SUBSCRIPTIONS":
            return list(self._streams)
        elif command.method == "GET_PROPERTY":
            return self._wrapped
        else:
            self._set_property(command)
        return None

    def _set_property(self, command: Command) -> None:
        if len(command.params) != 2 or command.params[0] != "combined":
            raise CommandError(0, "Unknown property", command.id)
        if not isinstance(command.params[1], bool):
            raise CommandError(1, "Invalid value type: expected Boolean", command.id)
        self._wrapped = command.params[1]

    async def _subscribe(self, names: Iterable[str], identity: int | str | None) -> None:
        """Unknown names are taken and stay silent, as at the exchange. Raises CommandError."""
        async with self._turn:
            await self._subscribe_in_turn(names, identity)

    async def _subscribe_in_turn(self, names: Iterable[str], identity: int | str | None) -> None:
        wanted = [name for name in dict.fromkeys(names) if name not in self._streams]
        if len(self._streams) + len(wanted) > self._most:
            raise CommandError(TOO_MANY.code, TOO_MANY.message, identity)
        for name in wanted:
            stream = stream_of(name)
            try:
                self._streams[name] = _nothing if stream is None else await self._join(stream)
            except UnknownSymbol:
                self._streams[name] = _nothing
            except (ClickHouseError, DatabaseError) as error:
                logger.warning("%s cannot be subscribed to: %s", name[:100], str(error).strip().partition("\n")[0])
                raise CommandError(-1001, "Internal error; unable to process your request.", identity) from None

    async def _join(self, stream: Stream) -> Leave:
        digits = await self._digits(stream.symbol)

        def text(event: str) -> str:
            return f'{{"stream":"{stream.name}","data":{event}}}' if self._wrapped else event

        def send(event: str) -> None:
            self._outbox.put(text(event))

        if stream.interval is None:
            await check_known(self._store, stream.symbol)
            await self._trades.subscribe(stream.symbol, digits, send)
            return lambda: self._trades.unsubscribe(stream.symbol, send)

        def begin(chart: Chart, since: int, candles: Sequence[Shown], known: Known | None) -> KlineSubscription:
            subscription = KlineSubscription(chart, stream, digits, since, self._outbox, text)
            if chart.shown:
                newest = chart.shown[max(chart.shown)]
                subscription.update(newest, subscription.head(newest, self._hub.exchange_ms), known)
            return subscription

        subscription = await self._hub.subscribe(stream.symbol, stream.interval, 0, begin)
        return lambda: self._hub.unsubscribe(subscription)

    async def _digits(self, symbol: str) -> Digits:
        try:
            found = await self._store.ask_postgres(lambda: contract(symbol))
        except DatabaseError:
            return Digits()
        return found.digits if found else Digits()


def _nothing() -> None:
    """Leaving a stream that never came."""
