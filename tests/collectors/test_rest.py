"""The exchange's REST interface: exact trades, and a problem that names itself for everything else."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from redis import Redis

from collectors.binance.clock import ExchangeClock
from collectors.binance.rest import (
    Banned,
    Blocked,
    ExchangeProblem,
    GaveUp,
    RateLimited,
    Rest,
    TooOld,
    UnknownContract,
    Unreachable,
    banned_until,
)
from collectors.binance.weight import Priority, WeightBudget, patience
from dataprovider.decimals import to_count
from tests.fixtures_exchange import RunningExchange
from tests.shared_data import SHARED_DATA, needs_shared_data

StartExchange = Callable[..., RunningExchange]
HOUR_MS = 3_600_000


@pytest.fixture
def budget() -> Iterator[WeightBudget]:
    """The budget of an address that no other test uses."""
    redis = Redis.from_url(settings.CONFIG.redis_url)
    yield WeightBudget(redis, uuid.uuid4().hex)
    redis.close()


def client(url: str, budget: WeightBudget) -> Rest:
    return Rest(url, budget, Priority.LIVE, patience(20))


def test_trades_are_exact_and_pages_by_id_follow_each_other(
    start_exchange: StartExchange, budget: WeightBudget
) -> None:
    exchange = start_exchange(symbols=3, rate=500)
    # It comes with a history; from now on there is nothing new.
    exchange.post("/simulator/stop")
    rest = client(exchange.url, budget)
    last = rest.last_aggregate_id("BTCUSDT")
    assert last is not None
    first = rest.agg_trades("BTCUSDT", last - 150, limit=100)
    second = rest.agg_trades("BTCUSDT", int(first.aggregate_id[-1]) + 1)
    ids = [*first.aggregate_id.tolist(), *second.aggregate_id.tolist()]
    assert ids == list(range(last - 150, last + 1))
    assert len(rest.agg_trades("BTCUSDT", last + 1)) == 0
    rows = exchange.get("/fapi/v1/aggTrades", symbol="BTCUSDT", fromId=last - 150, limit=100)
    assert [
        (row["a"], to_count(row["p"]), to_count(row["q"]), row["f"], row["l"], row["T"], int(row["m"])) for row in rows
    ] == list(
        zip(
            first.aggregate_id.tolist(),
            first.price.tolist(),
            first.quantity.tolist(),
            first.first_trade_id.tolist(),
            first.last_trade_id.tolist(),
            first.timestamp.tolist(),
            first.is_buyer_maker.tolist(),
            strict=True,
        )
    )
    start = int(first.timestamp[10])
    between = rest.agg_trades_between("BTCUSDT", start, start + HOUR_MS - 1)
    assert int(between.timestamp.min()) >= start
    assert int(first.aggregate_id[10]) in between.aggregate_id.tolist()
    with pytest.raises(ValueError, match="an hour"):
        rest.agg_trades_between("BTCUSDT", start, start + HOUR_MS)


def test_the_list_of_contracts_brings_the_limit_and_answers_bring_what_is_used(
    start_exchange: StartExchange, budget: WeightBudget
) -> None:
    exchange = start_exchange(symbols=3, rate=100, weight_limit=1200)
    rest = client(exchange.url, budget)
    # Somebody else behind this address has asked, too.
    for _ in range(3):
        exchange.get("/fapi/v1/ticker/24hr")
    assert len(rest.exchange_info()) == 3
    state = budget.state()
    assert state.limit == 1200
    if state.minute_ms == budget.state().minute_ms and state.now_ms - state.minute_ms > 2000:
        assert state.used == 121
    assert set(rest.last_trade_ids()) <= {each["symbol"] for each in rest.exchange_info()}
    assert abs(rest.server_time_ms() - time.time() * 1000) < 5000


def test_what_is_too_old_and_what_is_unknown_say_so(start_exchange: StartExchange, budget: WeightBudget) -> None:
    exchange = start_exchange(symbols=3, rate=100, history_days=3)
    rest = client(exchange.url, budget)
    last = rest.last_aggregate_id("BTCUSDT")
    assert last is not None
    with pytest.raises(TooOld, match="archives"):
        rest.agg_trades("BTCUSDT", 1)
    day_ago = rest.server_time_ms() - 3 * 24 * HOUR_MS
    with pytest.raises(TooOld, match="archives"):
        rest.agg_trades_between("BTCUSDT", day_ago, day_ago + 1000)
    with pytest.raises(UnknownContract, match="NOSUCHUSDT"):
        rest.agg_trades("NOSUCHUSDT", 1)


@pytest.mark.parametrize(
    ("status", "problem", "says"), [(403, Blocked, "firewall"), (451, Blocked, "location"), (503, Unreachable, "later")]
)
def test_refusals_say_what_they_mean(
    start_exchange: StartExchange, budget: WeightBudget, status: int, problem: type[ExchangeProblem], says: str
) -> None:
    exchange = start_exchange(symbols=1, rate=10)
    exchange.fault("rest_error", status=status)
    with pytest.raises(problem, match=says):
        client(exchange.url, budget).server_time_ms()


def test_after_a_429_nobody_asks_until_the_pause_is_over(start_exchange: StartExchange, budget: WeightBudget) -> None:
    exchange = start_exchange(symbols=1, rate=10)
    exchange.fault("rate_limit", status=429, seconds=2)
    with pytest.raises(RateLimited) as caught:
        client(exchange.url, budget).server_time_ms()
    assert caught.value.seconds == 2
    exchange.delete("/simulator/faults")
    assert 0 < budget.try_acquire(1, Priority.LIVE) <= 2
    with pytest.raises(GaveUp, match="turn"):
        Rest(exchange.url, budget, Priority.LIVE, patience(0.2)).server_time_ms()
    assert client(exchange.url, budget).server_time_ms() > 0


def test_during_a_ban_nobody_calls_whoever_starts_anew(start_exchange: StartExchange, budget: WeightBudget) -> None:
    exchange = start_exchange(symbols=1, rate=10)
    exchange.fault("rate_limit", status=418, seconds=300)
    before_ms = int(time.time() * 1000)
    with pytest.raises(Banned) as caught:
        client(exchange.url, budget).server_time_ms()
    assert 299_000 <= caught.value.until_ms - before_ms <= 310_000
    exchange.delete("/simulator/faults")
    used = used_weight(exchange)
    for _ in range(3):
        with pytest.raises(Banned):
            client(exchange.url, budget).exchange_info()
    # Only this test itself asked in between.
    assert used_weight(exchange) in (used + 1, 1)


def used_weight(exchange: RunningExchange) -> int:
    return int(exchange.response("/fapi/v1/ping").headers["X-MBX-USED-WEIGHT-1M"])


@needs_shared_data
def test_real_texts_of_bans_say_until_when() -> None:
    bodies = [json.loads(line) for line in (SHARED_DATA / "rest" / "error_bodies.jsonl").read_text().splitlines()]
    banned = [each.get("body") or each["body_prefix"] for each in bodies if each["status"] == 418]
    assert len(banned) >= 3
    expected = (1615183669840, 1529256050872, 1763630628570)
    for text, until_ms in zip(banned, expected, strict=False):
        assert banned_until(text, None, until_ms - 60_000) == until_ms
        # The later of the two is believed; a past or absurd one is not.
        assert banned_until(text, 180.0, until_ms - 60_000) == until_ms + 120_000
        assert banned_until(text, None, until_ms + 1) == until_ms + 1 + 120_000
        assert banned_until(text, None, until_ms - 30 * 86_400_000) == until_ms - 30 * 86_400_000 + 120_000


def test_nobody_there_is_a_sentence(budget: WeightBudget) -> None:
    with pytest.raises(Unreachable, match="BINANCE_REST_URL"):
        client("http://127.0.0.1:1", budget).server_time_ms()


class Saying(HTTPServer):
    """Answers every request with one body: for answers that the exchange should not give."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = Thread(target=self.serve_forever, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(5)


GOOD = {"a": 7, "p": "83091.70", "q": "0.022", "f": 10, "l": 11, "T": 1791382992338, "m": False, "nq": "0.022"}


@pytest.mark.parametrize(
    "change",
    [
        {"p": 83091.7},
        {"p": "8.3e4"},
        {"p": "0"},
        {"q": "-1"},
        {"q": "0.000000001"},
        {"a": "7"},
        {"a": 7.0},
        {"a": True},
        {"f": True},
        {"a": 10**16},
        {"f": 12},
        {"T": 1791382992338000},
        {"m": "true"},
        {"m": None},
    ],
)
def test_a_row_that_makes_no_sense_is_a_problem_that_shows_it_and_never_a_trade(
    budget: WeightBudget, change: dict[str, Any]
) -> None:
    server = Saying(json.dumps([GOOD, {**GOOD, "a": 8, **change}]).encode())
    with pytest.raises(Unreachable, match="makes no sense") as caught:
        client(server.url, budget).agg_trades("BTCUSDT", 7)
    assert "'T': " in str(caught.value)
    server.end()


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"<html>", 200), (b'{"a": 1}', 200), (b"[1]", 200), (b"[[]]", 200), (b"", 404), (b"<html>", 302), (b"[]", 400)],
)
def test_what_is_not_the_exchange_is_said_to_be_not_the_exchange(
    budget: WeightBudget, body: bytes, status: int
) -> None:
    server = Saying(body, status)
    rest = client(server.url, budget)
    with pytest.raises(Unreachable):
        rest.agg_trades("BTCUSDT", 7)
    with pytest.raises(Unreachable):
        rest.exchange_info()
    with pytest.raises(Unreachable):
        rest.server_time_ms()
    server.end()


def test_another_refusal_is_shown_with_its_code(budget: WeightBudget) -> None:
    server = Saying(b'{"code":-1130,"msg":"Data sent for parameter \'limit\' is not valid."}', 400)
    with pytest.raises(ExchangeProblem, match=r"limit.*-1130"):
        client(server.url, budget).server_time_ms()
    server.end()


def test_trades_before_the_one_asked_for_or_in_another_order_are_not_taken(budget: WeightBudget) -> None:
    server = Saying(json.dumps([GOOD, {**GOOD, "a": 6}]).encode())
    with pytest.raises(Unreachable, match="descends"):
        client(server.url, budget).agg_trades("BTCUSDT", 7)
    with pytest.raises(Unreachable):
        client(server.url, budget).last_aggregate_id("BTCUSDT")
    server.end()
    server = Saying(json.dumps([GOOD]).encode())
    with pytest.raises(Unreachable, match="from 7 on"):
        client(server.url, budget).agg_trades("BTCUSDT", 8)
    server.end()


def test_two_trades_under_one_id_are_both_taken(budget: WeightBudget) -> None:
    """As on SOLUSDT, aggregate id 926014272, 2025-07-16."""
    server = Saying(json.dumps([GOOD, {**GOOD, "f": 12, "l": 13}]).encode())
    trades = client(server.url, budget).agg_trades("BTCUSDT", 7)
    assert trades.first_trade_id.tolist() == [10, 12]
    assert trades.price.dtype == np.int64
    assert trades.price.tolist() == [8_309_170_000_000] * 2
    server.end()


def test_the_exchanges_clock_is_asked_once_a_minute_and_goes_on_without_it(
    start_exchange: StartExchange, budget: WeightBudget
) -> None:
    exchange = start_exchange(symbols=1, rate=10)
    steady = [100.0]
    clock = ExchangeClock(client(exchange.url, budget), lambda: steady[0])
    first = clock.now_ms()
    assert abs(first - time.time() * 1000) < 5000
    before = used_weight(exchange)
    steady[0] += 59.0
    assert clock.now_ms() == first + 59_000
    assert used_weight(exchange) in (before + 1, 1)
    steady[0] += 2.0
    assert clock.now_ms() < first + 59_000
    exchange.fault("rest_error", status=503)
    second = clock.now_ms()
    steady[0] += 3600.0
    assert clock.now_ms() == second + 3_600_000
    clock.forget()
    with pytest.raises(Unreachable):
        clock.now_ms()


@pytest.mark.django_db
def test_syncsymbols_says_in_a_sentence_that_the_address_is_banned(
    start_exchange: StartExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = start_exchange(symbols=3, rate=10)
    monkeypatch.setattr(settings, "CONFIG", settings.CONFIG.model_copy(update={"binance_rest_url": exchange.url}))
    redis = Redis.from_url(settings.CONFIG.redis_url)
    redis.flushdb()
    call_command("syncsymbols")
    exchange.fault("rate_limit", status=418, seconds=300)
    for _ in range(2):
        with pytest.raises(CommandError, match="banned"):
            call_command("syncsymbols")
    redis.flushdb()
    redis.close()
