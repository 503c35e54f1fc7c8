"""Who carries which symbol: setting up, pacing, losing, replacing and rotating connections."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable

import pytest

from collectors.binance.frames import decode
from collectors.binance.stream import StreamClosed, StreamConnection
from collectors.pace import Pace
from collectors.streampool import Line, StreamPool
from tests.fixtures_exchange import RunningExchange
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]


def pool_of(exchange: RunningExchange, **options: float) -> StreamPool:
    return StreamPool(
        lambda: StreamConnection(exchange.ws_url),
        time.monotonic,
        lambda symbols: None,
        symbols_per_connection=int(options.pop("per_connection", 200)),
        pace=Pace(0.0, 10, time.monotonic()),
        **options,
    )


def received(pool: StreamPool, symbols: set[str], seconds: float) -> list[tuple[str, int]]:
    """Symbol and id of everything that arrives for so long."""
    got: list[tuple[str, int]] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        got.extend(step(pool, symbols))
    return got


def step(pool: StreamPool, symbols: set[str], timeout: float = 0.02) -> list[tuple[str, int]]:
    """One round, as the worker does it."""
    got: list[tuple[str, int]] = []
    for line, payloads in pool.step(timeout):
        decoded = decode(payloads, symbols)
        for answer in decoded.answers:
            pool.answered(line, answer)
        if decoded.trades:
            pool.alive(line)
        got.extend((trade.symbol, trade.aggregate_id) for trade in decoded.trades)
    return got


def names(exchange: RunningExchange) -> set[str]:
    return {each["symbol"] for each in exchange.get("/fapi/v1/exchangeInfo")["symbols"]}


def test_symbols_are_spread_over_connections_of_bounded_size(start_exchange: StartExchange) -> None:
    exchange = start_exchange(symbols=25, rate=500)
    symbols = names(exchange)
    pool = pool_of(exchange, per_connection=10)
    pool.set_symbols(symbols)
    wait_until(lambda: step(pool, symbols) and pool.subscribed == 25, 20, "25 subscribed symbols", every=0)
    assert pool.connections == 3
    assert exchange.state["connections"] == 3
    pool.close()


def test_symbols_come_and_go_without_a_new_connection(start_exchange: StartExchange) -> None:
    exchange = start_exchange(symbols=5, rate=500)
    symbols = names(exchange)
    pool = pool_of(exchange)
    pool.set_symbols({"BTCUSDT"})
    wait_until(lambda: step(pool, symbols), 20, "trades", every=0)
    assert {symbol for symbol, _ in received(pool, symbols, 0.5)} == {"BTCUSDT"}
    pool.set_symbols({"ETHUSDT", "SOLUSDT"})
    wait_until(lambda: (step(pool, symbols), exchange.state["subscriptions"] == 2)[1], 20, "2 subscriptions", every=0)
    step(pool, symbols)
    assert {symbol for symbol, _ in received(pool, symbols, 1.0)} == {"ETHUSDT", "SOLUSDT"}
    assert pool.connections == 1
    assert pool.reconnects == 0
    pool.close()


def test_a_subscription_that_the_exchange_dropped_is_made_again_when_asked_for(start_exchange: StartExchange) -> None:
    exchange = start_exchange(symbols=5, rate=500)
    symbols = names(exchange)
    made: list[StreamConnection] = []

    def connect() -> StreamConnection:
        made.append(StreamConnection(exchange.ws_url))
        return made[-1]

    pace = Pace(0.0, 10, time.monotonic())
    pool = StreamPool(connect, time.monotonic, lambda symbols: None, symbols_per_connection=200, pace=pace)
    pool.set_symbols({"BTCUSDT", "ETHUSDT"})
    wait_until(lambda: step(pool, symbols), 20, "trades", every=0)
    # Behind the pool's back, as if the exchange had lost it.
    made[0].unsubscribe(["BTCUSDT"])
    wait_until(lambda: (step(pool, symbols), exchange.state["subscriptions"] == 1)[1], 20, "one subscription", every=0)
    received(pool, symbols, 0.5)
    assert {symbol for symbol, _ in received(pool, symbols, 1.0)} == {"ETHUSDT"}
    pool.resubscribe("BTCUSDT")
    wait_until(lambda: "BTCUSDT" in {symbol for symbol, _ in step(pool, symbols)}, 20, "its trades again", every=0)
    assert len(made) == 1
    pool.close()


def test_rotation_loses_nothing(start_exchange: StartExchange, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange ends a connection after 24 h; the next one is open before that. Here after one second."""
    monkeypatch.setattr("collectors.streampool.OVERLAP", 0.5)
    exchange = start_exchange(symbols=5, rate=1000)
    symbols = names(exchange)
    pool = pool_of(exchange, lifetime=1.0)
    pool.set_symbols({"BTCUSDT"})
    ids = [each for _, each in received(pool, symbols, 8.0)]
    assert set(ids) == set(range(min(ids), max(ids) + 1))
    # While two connections ran side by side, trades came twice; and the first one is not the last one.
    assert len(ids) > len(set(ids))
    assert exchange.state["connections"] <= 2
    assert pool.reconnects == 0
    pool.close()


class Refused:
    """Connecting that always fails, on a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.attempts: list[float] = []

    def connect(self) -> StreamConnection:
        self.attempts.append(self.now)
        raise StreamClosed("refused")


def test_attempts_on_an_exchange_that_refuses_grow_rare() -> None:
    refused = Refused()
    pool = StreamPool(
        refused.connect, lambda: refused.now, lambda _: None, symbols_per_connection=200, pace=Pace(1.0, 1, 0.0)
    )
    pool.set_symbols({"BTCUSDT"})
    for _ in range(6000):
        pool.step(0.0)
        wait_for_openers(pool)
        refused.now += 0.1
    pauses = [later - earlier for earlier, later in zip(refused.attempts, refused.attempts[1:], strict=False)]
    assert len(refused.attempts) < 30
    assert max(pauses) > 20
    assert pauses[-1] > pauses[0]
    pool.close()


def wait_for_openers(pool: StreamPool) -> None:
    """Let the attempts under way end before the clock is moved."""
    for slot in pool._slots:
        if slot.opening is not None:
            slot.opening.exception()


def test_many_connections_are_set_up_at_the_pace_allowed() -> None:
    refused = Refused()
    pool = StreamPool(
        refused.connect, lambda: refused.now, lambda _: None, symbols_per_connection=1, pace=Pace(2.0, 3, 0.0)
    )
    pool.set_symbols({f"S{number}" for number in range(10)})
    for _ in range(100):
        pool.step(0.0)
        wait_for_openers(pool)
        refused.now += 0.1
    # Three at once, then one every two seconds for ten seconds.
    assert len([each for each in refused.attempts if each == 0.0]) == 3
    assert 6 <= len(refused.attempts) <= 8
    pool.close()


def test_an_address_nobody_listens_at_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(StreamClosed, match="could not connect"):
        StreamConnection(f"ws://127.0.0.1:{port}", timeout=2)


class Silent:
    """A connection that acknowledges and never sends: like the exchange's legacy addresses."""

    opened = 0

    def __init__(self) -> None:
        Silent.opened += 1
        self._here, self._there = socket.socketpair()
        self._here.settimeout(0.0)

    def fileno(self) -> int:
        return self._here.fileno()

    def read(self) -> list[bytes]:
        try:
            return [self._here.recv(100)]
        except BlockingIOError:
            return []

    def subscribe(self, symbols: Iterable[str]) -> int:
        self._there.send(b'{"result":null,"id":1}')
        return 1

    def unsubscribe(self, symbols: Iterable[str]) -> int:
        return 1

    def close(self) -> None:
        self._here.close()
        self._there.close()


def test_an_acknowledgement_is_no_sign_of_life_and_silence_is_noticed_after_six_seconds() -> None:
    now = [0.0]
    interrupted: list[set[str]] = []
    pool = StreamPool(Silent, lambda: now[0], interrupted.append, symbols_per_connection=200, pace=Pace(1.0, 1, 0.0))
    pool.set_symbols({"BTCUSDT"})
    noticed = None
    for _ in range(3000):
        step(pool, {"BTCUSDT"}, timeout=0.0)
        wait_for_openers(pool)
        if interrupted and noticed is None:
            noticed = now[0]
        now[0] += 0.1
    assert noticed is not None
    assert 6.0 <= noticed <= 7.5
    # One connection stays, a second one is tried beside it ever more rarely.
    assert 3 <= Silent.opened <= 8
    assert pool.connections <= 2
    pool.close()


def test_an_answer_whose_id_is_none_answers_nothing(start_exchange: StartExchange) -> None:
    exchange = start_exchange(symbols=5, rate=500)
    pool = pool_of(exchange)
    pool.set_symbols(names(exchange))
    lines: list[Line] = []
    while not lines:
        lines += [line for line, _ in pool.step(0.02)]
    # Asked and not answered.
    lines[0].unanswered = {7: time.monotonic()}
    strange: list[object] = [[{}], {}, "7", None, 1e300]
    for identity in strange:
        pool.answered(lines[0], {"result": None, "id": identity})
    assert list(lines[0].unanswered) == [7]
    pool.answered(lines[0], {"result": None, "id": 7})
    assert not lines[0].unanswered
    pool.close()
