"""Live collection: from the exchange's socket to the table, as fast as it goes, with nothing missing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson
import websocket

from dataprovider.running.exchange import Exchange
from dataprovider.running.result import count_missing
from tests.bench.figure import Figure, Sample
from tests.bench.ground import Ground
from tests.bench.original import OriginalTable
from tests.bench.original.live import OriginalCollector, wait_for
from tests.waiting import wait_until

SYMBOLS = 200
#: More than can be taken: what is measured is how quickly it is.
RATE = 120_000
#: The same for those that take less: what was sent until it stops is all to be taken.
RATE_FOR_OTHERS = 40_000
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Collected:
    """One run: trades sent, trades missing, and how long it took from the first to the last one stored (seconds)."""

    sent: int
    missing: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.sent / self.seconds


def collect(
    ground: Ground,
    *,
    rate: int,
    seconds: float,
    workers: int,
    symbols: int = SYMBOLS,
    meanwhile: Callable[[Exchange], None] = lambda exchange: None,
) -> Collected:
    """Let an exchange send at `rate` for `seconds`, and wait until everything is stored."""
    ground.empty()
    with (
        ground.exchange(symbols=symbols, rate=rate, buffer_megabytes=4000) as exchange,
        ground.collectors(exchange, workers),
    ):
        began = time.monotonic()
        exchange.start_market()
        while time.monotonic() - began < seconds:
            meanwhile(exchange)
            time.sleep(0.1)
        exchange.stop_market()
        sent = exchange.sent()
        count = sum(each.count for each in sent.values())

        def wait_for(wanted: int) -> None:
            wait_until(
                lambda: int(ground.store.query("total_rows")[0][0]) >= wanted, 120, f"{wanted} trades to be stored"
            )

        # A contract's only trade is held back on purpose, until the exchange has confirmed it.
        wait_for(count - sum(each.count == 1 for each in sent.values()))
        took = time.monotonic() - began
        wait_for(count)
        return Collected(count, count_missing(ground.store, sent), took)


def measure(ground: Ground) -> list[Figure]:
    """Trades a second, from the market's opening until the last one is stored, the exchange being faster than that."""
    rounds, seconds, short = ground.choose((1, 1.5, 0.5), (3, 10.0, 2.0))
    own: list[Collected] = []
    other: list[float] = []
    peer: list[float] = []
    for turn in range(rounds):
        own.append(collect(ground, rate=RATE, seconds=seconds, workers=WORKERS))
        with ground.exchange(symbols=SYMBOLS, rate=RATE_FOR_OTHERS, buffer_megabytes=4000) as exchange:
            peer.append(_only_read(exchange, short))
            other.append(_originally(ground, exchange, short))
        ground.say(
            f"live {turn + 1}/{rounds}: {own[-1].per_s:,.0f} trades/s, {own[-1].missing} missing; "
            f"the original's way {other[-1]:,.0f}; websocket-client with orjson alone {peer[-1]:,.0f}"
        )
    ground.empty()
    note = f"{SYMBOLS} symbols, {WORKERS} workers, exchange and ClickHouse on the same cores"
    return [
        Figure(
            "live_trades_per_s",
            "live: exchange's socket to the table",
            "trades/s",
            Sample([each.per_s for each in own]),
            Sample(other),
            "a frame at a time, json.loads, tuples",
            at_least=80_000,
            peer=Sample(peer),
            peer_name=f"websocket-client with orjson, reading alone, of {RATE_FOR_OTHERS:,} a second",
            note=f"{note}, {sum(each.sent for each in own):,} trades",
        ),
        Figure(
            "live_missing",
            "trades of these that are missing",
            "trades",
            Sample([sum(each.missing for each in own)]),
            at_most=0,
            note=note,
        ),
    ]


def _originally(ground: Ground, exchange: Exchange, seconds: float) -> float:
    """Trades a second of the original's way, likewise."""
    table = OriginalTable(ground.address)
    collector = OriginalCollector(exchange.variables["BINANCE_STREAM_URL"], exchange.trading(SYMBOLS), table)
    try:
        collector.start()
        before = _count(exchange)
        began = time.monotonic()
        exchange.start_market()
        time.sleep(seconds)
        exchange.stop_market()
        count = _count(exchange) - before
        wait_for(collector, count, 120)
        return count / (time.monotonic() - began)
    finally:
        collector.stop()
        table.close()


def _only_read(exchange: Exchange, seconds: float) -> float:
    """Frames a second that websocket-client hands out and orjson reads, one socket, nothing done with them."""
    client = websocket.create_connection(f"{exchange.variables['BINANCE_STREAM_URL']}/market/stream", timeout=10)
    names = [f"{each.lower()}@aggTrade" for each in exchange.trading(SYMBOLS)]
    client.send(orjson.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}).decode())
    client.recv()
    exchange.start_market()
    # From the first frame on: an exchange that begins is not what is measured.
    client.recv()
    count, began = 0, time.monotonic()
    while time.monotonic() - began < seconds:
        orjson.loads(client.recv())
        count += 1
    took = time.monotonic() - began
    client.close(timeout=0)
    exchange.stop_market()
    return count / took


def _count(exchange: Exchange) -> int:
    """Trades it has sent until now."""
    return sum(each.count for each in exchange.sent().values())
