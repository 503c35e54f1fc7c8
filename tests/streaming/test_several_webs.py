"""Several web processes behind a proxy: whichever a connection lands on, its client sees no difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
import websocket
from django.contrib.auth import get_user_model
from redis import Redis

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer, refusal
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.integrity.rows import make_symbol
from tests.streaming.conftest import Client, Connect, Frame
from tests.streaming.inturn import InTurn
from tests.streaming.market import Market, row
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = 60_000
DATA = "/api/v1/data"
#: Addresses whose answers depend on nothing but what is stored.
THE_SAME = (
    f"{DATA}/klines/BTCUSDT?timeframe=7&limit=50",
    f"{DATA}/klines/BTCUSDT?timeframe=173",
    f"{DATA}/trades/BTCUSDT?from_id=1&limit=20",
    f"{DATA}/trades/BTCUSDT/latest",
    f"{DATA}/klines/NONE",
    "/api/v1/integrity/coverage/BTCUSDT",
    "/api/v1/tickers/",
    "/api/v1/export/candles/BTCUSDT?timeframe=7&format=csv",
    "/api/v1/openapi.json",
    "/fapi/v1/klines?symbol=BTCUSDT&interval=7m",
    f"/udf/history?symbol=BTCUSDT&resolution=7&from={NEW_YEAR // 1000}&to={NEW_YEAR // 1000 + 86_400}",
    "/static/dashboard/icon.svg",
    "/static/admin/css/base.css",
    "/",
)


class Webs:
    """Two web processes, the proxy before them, and the address of all together."""

    def __init__(self, servers: list[Server], proxy: InTurn) -> None:
        self.servers = servers
        self.proxy = proxy
        self.front = Server(proxy.port)


StartWebs = Callable[..., Webs]


@pytest.fixture
def start_webs(start_server: StartServer, clickhouse: ClickHouse) -> Iterator[StartWebs]:
    Redis.from_url(_redis_url()).flushdb()
    with ExitStack() as stack:

        def start(**environ: str) -> Webs:
            servers = [start_server(**environ) for _ in range(2)]
            proxy = InTurn([server.port for server in servers])
            stack.callback(proxy.go_away)
            return Webs(servers, proxy)

        yield start


def _redis_url() -> str:
    from django.conf import settings

    url: str = settings.REDIS_URL
    return url


def answer(front: Server, path: str) -> tuple[int, str]:
    """The status and the body of an answer, but for the moment at which it was given."""
    response = requests.get(front.url + path, timeout=30)
    return response.status_code, re.sub(r'"timestamp":\d+,"error"', '"error"', response.text)


def test_answers_are_the_same_whoever_gives_them(start_webs: StartWebs, clickhouse: ClickHouse) -> None:
    make_symbol()
    store(clickhouse, [Row(n, NEW_YEAR + n * 20_000) for n in range(1, 500)])
    webs = start_webs()
    for path in THE_SAME:
        given = {answer(webs.front, path) for _ in range(4)}
        assert len(given) == 1, path
    assert set(webs.proxy.handed.values()) == {2 * len(THE_SAME)}


def test_a_long_range_is_walked_through_all_of_them(start_webs: StartWebs, clickhouse: ClickHouse) -> None:
    store(clickhouse, [Row(n, NEW_YEAR + n * 20_000) for n in range(1, 101)])
    webs = start_webs()
    address, found = f"{webs.front.url}{DATA}/trades/BTCUSDT?from_id=1&limit=7", []
    while address:
        response = requests.get(address, timeout=30)
        found += [trade["aggregate_id"] for trade in response.json()["data"]]
        following = response.links.get("next")
        address = requests.compat.urljoin(address, following["url"]) if following else ""
    assert found == list(range(1, 101))
    assert min(webs.proxy.handed.values()) >= 7


class Viewer:
    """A client that does what docs/API.md says when its connection is lost: it subscribes again, with as many candles
    as it may have missed."""

    def __init__(self, connect: Connect, front: Server) -> None:
        self._connect, self._front = connect, front
        #: The candles that it was told to be closed and complete, which change no more, by open time.
        self.closed: dict[int, Frame] = {}
        self.began = 0
        self._begin()

    def read_until(self, minutes: range) -> None:
        """Read until each of these minutes after New Year was closed and complete."""
        wanted = {NEW_YEAR + minute * MINUTE for minute in minutes}
        while not wanted <= self.closed.keys():
            try:
                frame = self._client.next()
            except (websocket.WebSocketConnectionClosedException, ConnectionError):
                self._begin()
                continue
            if frame["type"] == "ohlcv_update":
                self._note(frame["data"])

    def _begin(self) -> None:
        self.began += 1
        self._client: Client = self._connect(self._front)
        self._client.watch("BTCUSDT", 1, initial_candles=100)
        for candle in self._client.candles(1).values():
            self._note(candle)

    def _note(self, candle: Frame) -> None:
        if candle["closed"] and candle["complete"]:
            self.closed[candle["candle_time"]] = candle


def go_on(market: Market, minutes: range) -> None:
    """Three trades in each of these minutes after New Year."""
    for number in range(minutes.start * 3, minutes.stop * 3):
        market.trade(row(number + 1, number * 20_000, price=100 + number % 7))


def of_rest(server: Server, minutes: int) -> dict[int, Any]:
    """The candles of these minutes; of the first of all nobody can know whether it is complete."""
    asked = {"timeframe": 1, "start_time": NEW_YEAR + MINUTE, "end_time": NEW_YEAR + minutes * MINUTE - 1}
    return {candle["candle_time"]: candle for candle in server.data(f"{DATA}/klines/BTCUSDT", **asked)}


def test_every_closed_candle_comes_from_each_of_them(start_webs: StartWebs, market: Market, connect: Connect) -> None:
    go_on(market, range(1))
    webs = start_webs()
    viewers = [Viewer(connect, webs.front) for _ in range(4)]
    assert set(webs.proxy.handed.values()) == {2}
    go_on(market, range(1, 21))
    for viewer in viewers:
        viewer.read_until(range(1, 20))
        assert viewer.closed == of_rest(webs.servers[0], 20) == of_rest(webs.servers[1], 20)


def test_when_one_is_killed_its_clients_go_on_with_the_other_and_miss_nothing(
    start_webs: StartWebs, market: Market, connect: Connect
) -> None:
    go_on(market, range(1))
    webs = start_webs()
    viewers = [Viewer(connect, webs.front) for _ in range(6)]
    go_on(market, range(1, 6))
    for viewer in viewers:
        viewer.read_until(range(1, 5))
    webs.servers[0].kill()
    go_on(market, range(6, 16))
    for viewer in viewers:
        viewer.read_until(range(1, 15))
    go_on(market, range(16, 21))
    for viewer in viewers:
        viewer.read_until(range(1, 20))
        assert viewer.closed == of_rest(webs.front, 20)
    assert sorted(viewer.began for viewer in viewers) == [1, 1, 1, 2, 2, 2]


def test_who_is_logged_in_to_the_admin_is_so_everywhere(start_webs: StartWebs) -> None:
    webs = start_webs()
    get_user_model().objects.create_superuser("boss", password="a long password")
    with requests.Session() as browser:
        # Each request on a connection of its own, and so with the next process.
        browser.headers["Connection"] = "close"
        login = f"{webs.front.url}/admin/login/"
        form = {"username": "boss", "password": "a long password", "next": "/admin/"}
        browser.get(login, timeout=30)
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post(login, {**form, **token}, allow_redirects=False, timeout=30).status_code == 302
        before = webs.proxy.handed.copy()
        for _ in range(4):
            page = browser.get(f"{webs.front.url}/admin/", allow_redirects=False, timeout=30)
            assert (page.status_code, "boss" in page.text) == (200, True)
        assert set((webs.proxy.handed - before).values()) == {2}
        token = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        assert browser.post(f"{webs.front.url}/admin/logout/", token, timeout=30).status_code == 200
        for _ in range(2):
            assert browser.get(f"{webs.front.url}/admin/", allow_redirects=False, timeout=30).status_code == 302


def test_requests_are_counted_by_all_together(start_webs: StartWebs) -> None:
    webs = start_webs(RATE_LIMIT_PER_MINUTE="6")
    left = [int(webs.front.get("/api/v1/tickers/").headers["X-RateLimit-Remaining"]) for _ in range(6)]
    assert left == [5, 4, 3, 2, 1, 0]
    assert [refusal(webs.front.get("/api/v1/tickers/"))[:2] for _ in range(2)] == [(429, "RATE_LIMITED")] * 2


def test_the_connections_of_one_that_is_stopped_do_not_count_any_more(start_webs: StartWebs, connect: Connect) -> None:
    webs = start_webs(WEBSOCKET_CONNECTIONS_PER_IP="3", WEBSOCKET_HEARTBEAT_SECONDS="1")
    before = [connect(webs.servers[0]) for _ in range(3)]
    assert connect(webs.servers[1]).next()["type"] == "error"
    webs.servers[0].stop()
    after = [connect(webs.servers[1]) for _ in range(3)]
    assert [client.next()["type"] for client in after] == ["heartbeat"] * 3
    for client in before:
        with pytest.raises((websocket.WebSocketException, OSError)):
            client.until(lambda _: False, "anything but the end")


def test_connections_are_counted_by_all_together_and_those_of_a_killed_one_not_for_long(
    start_webs: StartWebs, connect: Connect
) -> None:
    webs = start_webs(WEBSOCKET_CONNECTIONS_PER_IP="3", WEBSOCKET_HEARTBEAT_SECONDS="1")

    def is_let_in() -> bool:
        client = connect(webs.front)
        said: str = client.next()["type"]
        if said != "heartbeat":
            assert "An address may have 3 connections" in client.frames[-1]["message"]
            client.close()
        return said == "heartbeat"

    assert [is_let_in() for _ in range(5)] == [True, True, True, False, False]
    # The first and the third.
    webs.servers[0].kill()
    wait_until(is_let_in, 10, "a place to be free again")
    wait_until(is_let_in, 10, "the other place to be free again")
    assert not is_let_in()
