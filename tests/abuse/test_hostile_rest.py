"""REST answers that no exchange should give: one sentence, bounded in memory and in time."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings
from redis import Redis

from collectors.binance import archive, rest
from collectors.binance.archive import Archives, ArchiveUnreachable
from collectors.binance.problems import ExchangeProblem, Unreachable
from collectors.binance.rest import Rest
from collectors.binance.weight import Priority, WeightBudget, patience
from collectors.directory import sync_symbols
from collectors.models import Symbol
from tests.collectors.archive_server import Server, head, ok

PATHS = ("/fapi/v1/aggTrades", "/fapi/v1/exchangeInfo", "/fapi/v1/time", "/fapi/v1/ticker/24hr")
DEEP = b"[" * 900 + b"1" + b"]" * 900
GOOD = {"a": 7, "p": "83091.70", "q": "0.022", "f": 10, "l": 11, "T": 1791382992338, "m": False}


@pytest.fixture
def budget() -> Iterator[WeightBudget]:
    """The budget of an address that no other test uses."""
    redis = Redis.from_url(settings.CONFIG.redis_url)
    yield WeightBudget(redis, uuid.uuid4().hex)
    redis.close()


def calls(url: str, budget: WeightBudget) -> list[Callable[[], object]]:
    client = Rest(url, budget, Priority.LIVE, patience(20))
    return [
        lambda: client.agg_trades("BTCUSDT", 7),
        client.exchange_info,
        client.server_time_ms,
        client.last_trade_ids,
    ]


def all_fail(stub: Server, budget: WeightBudget, answer: bytes | Callable[[], Iterator[bytes]], says: str = "") -> None:
    """Every call is an ExchangeProblem of one short sentence, which says so."""
    for path, call in zip(PATHS, calls(stub.url, budget), strict=True):
        stub.answers[path] = answer
        with pytest.raises(ExchangeProblem) as found:
            call()
        assert says in str(found.value)
        assert len(str(found.value)) < 600
        assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "answer",
    [
        ok(DEEP),
        ok(b"[" + DEEP + b"]"),
        ok(b"[" * 100_000),
        ok(b"\xff\xfe"),
        ok(b"\0"),
        ok(b"[{}]"),
        ok(b'[{"a":' + DEEP + b"}]"),
        ok(b'{"serverTime":1e300,"symbols":{},"lastId":1}'),
        ok(b'{"serverTime":"' + b"9" * 5000 + b'","symbols":1}'),
        ok(b'{"serverTime":-1,"symbols":[],"rateLimits":[[]]}'),
        ok(b'[{"symbol":"X","lastId":"' + b"9" * 5000 + b'"}]'),
        ok(b"[]"[:1], "X-MBX-USED-WEIGHT-1M: " + "9" * 5000),
        head(200, 1000) + b"[",
        head(200, None, "Transfer-Encoding: chunked") + b"zz\r\n",
        head(200, 10, "Content-Encoding: gzip") + b"no gzip at",
        head(400, 30) + b'{"code":-1,"msg":' + b"[" * 13,
        ok(b"x").replace(b"200", b"400") + DEEP,
        head(400, None) + b'{"code":-1,"msg":' + DEEP + b"}",
        head(400, None) + b'{"code":1e300,"msg":"x"}',
        head(418, None, "Retry-After: " + "9" * 50) + b"<html>",
        head(999, None) + b"\xff" * 5000,
        b"\xff" * 1000,
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 1000,
    ],
    ids=range(23),
)
def test_senseless_answers_are_one_sentence(stub: Server, budget: WeightBudget, answer: bytes) -> None:
    all_fail(stub, budget, answer)


def test_an_empty_list_of_limits_or_an_absurd_one_changes_no_budget(stub: Server, budget: WeightBudget) -> None:
    client = Rest(stub.url, budget, Priority.LIVE, patience(20))
    for limit in (0, -5, 10**30, "9" * 5000, None, 1e300):
        limits = [{"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": limit}]
        stub.answers["/fapi/v1/exchangeInfo"] = ok(json.dumps({"symbols": [], "rateLimits": limits}).encode())
        with pytest.raises(Unreachable):
            client.exchange_info()
        assert budget.state().limit == 2400
    stub.answers["/fapi/v1/time"] = ok(b'{"serverTime":1791382992338}', "X-MBX-USED-WEIGHT-1M: " + "9" * 300)
    assert client.server_time_ms() == 1791382992338
    assert budget.state().used < 2400


def test_a_redirect_is_not_followed(stub: Server, start_stub: Callable[[], Server], budget: WeightBudget) -> None:
    elsewhere = start_stub()
    elsewhere.answers["/fapi/v1/time"] = ok(b'{"serverTime":1791382992338}')
    all_fail(stub, budget, head(302, 0, f"Location: {elsewhere.url}/fapi/v1/time"))
    all_fail(stub, budget, head(307, 0, "Location: /fapi/v1/time"))
    assert elsewhere.requests == []


def test_an_answer_without_end_is_cut(stub: Server, budget: WeightBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "MOST_BYTES", 3_000_000)

    def endless() -> Iterator[bytes]:
        yield head(200, None)
        # So long that nobody can have waited for the end of it, and no longer: without the bound it has to fit.
        for _ in range(100):
            yield b" " * 1_000_000

    too_long = "is longer than 3000000 bytes"
    all_fail(stub, budget, endless, too_long)
    # What is small on the way may be large here.
    bomb = gzip.compress(gzip.compress(b"0" * 100_000_000, 9), 9)
    assert len(bomb) < 2_000
    all_fail(stub, budget, ok(gzip.compress(b"[" + b" " * 50_000_000), "Content-Encoding: gzip"), too_long)
    all_fail(stub, budget, ok(bomb, "Content-Encoding: gzip, gzip"), too_long)


def test_an_answer_that_drips_is_left(stub: Server, budget: WeightBudget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "LONGEST_S", 0.3)
    monkeypatch.setattr(archive, "LONGEST_S", 0.3)

    def drips() -> Iterator[bytes]:
        yield head(200, 1000)
        while not stub.stopped.wait(0.05):
            yield b" "

    began = time.monotonic()
    all_fail(stub, budget, drips)
    stub.answers["/listing"] = drips
    with pytest.raises(ArchiveUnreachable, match="was not there after"):
        Archives(stub.url, f"{stub.url}/listing").listed("BTCUSDT", "daily")
    assert time.monotonic() - began < 10


def test_answers_of_one_connection_follow_each_other(stub: Server, budget: WeightBudget) -> None:
    """Reading within bounds costs no new connection."""
    answer = ok(b'{"serverTime":1791382992338}').replace(b"Connection: close", b"Connection: keep-alive")
    stub.answers["/fapi/v1/time"] = lambda: iter([answer])
    client = Rest(stub.url, budget, Priority.LIVE, patience(20))
    assert client.server_time_ms() == 1791382992338
    pools = client._session.adapters["http://"].poolmanager.pools  # type: ignore[attr-defined]
    (pool,) = [pools[key] for key in pools.keys()]  # noqa: SIM118
    assert [each is not None for each in pool.pool.queue].count(True) == 1


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "onboardDate": 1569398400000,
        "deliveryDate": 4133404800000,
        "contractType": "PERPETUAL",
        "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.10"}],
        **changes,
    }


@pytest.mark.django_db
def test_one_senseless_contract_does_not_keep_the_others_out() -> None:
    wrong: list[Any] = [
        *("../../x", "a/b", "a\\b", "..", "", "A\0B", "A B", "A\n", "X" * 65, "<b>", "A'", "\u202eTDSU"),
    ]
    entries: list[Any] = [entry(symbol=each) for each in wrong]
    entries += [
        *(
            entry(symbol="ETHUSDT", **each)
            for each in ({"onboardDate": 10**30}, {"onboardDate": "x"}, {"pair": "P" * 65})
        ),
        entry(symbol="ETHUSDT", filters=[1]),
        entry(symbol="ETHUSDT", filters={"a": 1}),
        entry(symbol="ETHUSDT", note="\0"),
        entry(symbol="ETHUSDT", note={"deep": json.loads(DEEP)}),
        *([], None, 5, "text", {}),
    ]
    found = sync_symbols([*entries, entry(), entry(symbol="币安人生USDT"), entry(symbol="BTCUSDT_261225")])
    assert (found.listed, found.skipped) == (3, len(entries))
    assert set(Symbol.objects.values_list("name", flat=True)) == {"BTCUSDT", "币安人生USDT", "BTCUSDT_261225"}
