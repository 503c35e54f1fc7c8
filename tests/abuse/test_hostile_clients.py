"""Clients that mean harm: they are answered in a sentence or cut off, and everybody else is served meanwhile."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest
import requests
import websocket

from api.intake import MOST_BODY_BYTES
from api.rest import api
from api.streaming.requests import LARGEST_MESSAGE
from dataprovider.clickhouse import ClickHouse
from dataprovider.logs import LONGEST_MESSAGE
from tests.api.conftest import Server, running
from tests.clickhouse.trades import NEW_YEAR, Row, store, stored
from tests.waiting import wait_until

MB = 1_000_000
LIVE = "/api/v1/monitoring/live"
MASK = b"\0\0\0\0"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web") / "daphne.log"


@pytest.fixture(scope="module")
def _web(test_database_url: str, migrated_clickhouse: ClickHouse, log: Path) -> Iterator[Server]:
    said = {
        "DATABASE_URL": test_database_url,
        "BINANCE_REST_URL": "http://127.0.0.1:1",
        "WEBSOCKET_SUBSCRIPTIONS_PER_CONNECTION": "50",
    }
    with running(said, log, "tests.abuse.impatient:application") as server:
        yield server


@pytest.fixture
def web(_web: Server, clickhouse: ClickHouse, transactional_db: None, log: Path) -> Iterator[Server]:
    """A web process with one trade to show; whatever a test did, it serves, is small and has nothing to complain of."""
    store(clickhouse, [Row(1, NEW_YEAR)])
    process = process_of(_web)
    _web.get(LIVE)
    before = process.memory_info().rss
    yield _web
    assert_served(_web)
    assert process.memory_info().rss < before + 100 * MB
    text = log.read_text()
    assert "Traceback" not in text
    # Daphne's own lines are written only here: the product runs it with -v 0.
    assert max(len(line) for line in text.splitlines() if " - - [" not in line) < LONGEST_MESSAGE + 200
    assert stored(clickhouse) == 1


def process_of(server: Server) -> psutil.Process:
    port = server.url.rpartition(":")[2]
    (found,) = [each for each in psutil.Process().children() if port in each.cmdline()]
    return found


def assert_served(server: Server) -> None:
    """Somebody else gets answers, soon, by REST and WebSocket."""
    began = time.monotonic()
    assert server.get("/api/v1/data/klines/BTCUSDT").json()["data"][0]["trades_count"] == 1
    client = connect(server)
    client.send('{"action":"subscribe","subscriptions":[{"symbol":"BTCUSDT","timeframes":[{"timeframe":7}]}]}')
    assert json.loads(client.recv())["type"] == "initial_history"
    client.close(timeout=1)
    assert time.monotonic() - began < 3


def connect(server: Server, path: str = "/ws/stream", **options: Any) -> websocket.WebSocket:
    return websocket.create_connection(f"ws{server.url.removeprefix('http')}{path}", timeout=10, **options)


def plain(server: Server) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=10)


def test_requests_that_drip_are_cut_off(web: Server) -> None:
    with ExitStack() as stack:
        heads = [
            b"",
            b"G",
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nX-A: ",
            b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n",
        ]
        slow = []
        for number in range(200):
            slow.append(stack.enter_context(plain(web)))
            with suppress(OSError):
                slow[-1].sendall(heads[number % len(heads)])

        def all_gone() -> bool:
            for each in list(slow):
                # One more byte, long before anything would take it for idle.
                with suppress(OSError):
                    each.sendall(b"x")
                    each.settimeout(0.0)
                    with suppress(BlockingIOError):
                        if each.recv(1000):
                            continue
                        slow.remove(each)
                    continue
                slow.remove(each)
            assert web.get(LIVE).status_code == 200
            return not slow

        wait_until(all_gone, 15, "slow requests to be cut off")
    # A connection that is used goes on, and so does one of a client that only listens.
    listening = connect(web)
    with requests.Session() as session:
        began = time.monotonic()
        while time.monotonic() < began + 2:
            assert session.get(web.url + LIVE, timeout=5).status_code == 200
            time.sleep(0.2)
    listening.send('{"action":"ping"}')
    assert json.loads(listening.recv())["type"] == "pong"
    listening.close(timeout=1)


@pytest.mark.parametrize(
    "path", ["/api/v1/tickers/BTCUSDT/pause", "/fapi/v1/ping", "/udf/config", "/admin/login/", "/x"]
)
def test_a_body_without_end_is_not_kept(web: Server, path: str) -> None:
    process, highest = process_of(web), 0

    def pieces() -> Iterator[bytes]:
        nonlocal highest
        for _ in range(50):
            highest = max(highest, process.memory_info().rss)
            yield b"[" * MB

    before = process.memory_info().rss
    for body in (pieces(), b"[" * 50 * MB):
        answer = requests.post(web.url + path, data=body, headers={"Content-Type": "application/json"}, timeout=30)
        assert answer.status_code == 413
        assert f"{MOST_BODY_BYTES:,} bytes" in answer.text
        assert answer.json()
    assert highest < before + 50 * MB
    assert requests.post(web.url + path, data=b"[" * (MOST_BODY_BYTES - 9), timeout=30).status_code != 413
    with pytest.raises(requests.ConnectionError):
        requests.post(web.url + path, data=(b"[" * MB for _ in range(200)), timeout=30)


def test_what_is_no_http_is_refused(web: Server) -> None:
    for said in (
        b"\0" * 1000,
        b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 2000 + b"\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET /?\xff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-\xff: a\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n",
        b"\xf0\x9f\x92\xa5 / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        with plain(web) as client, suppress(OSError):
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(65_536)
            assert answer == b"" or answer.split(b" ", 2)[1][:1] in b"1234", said[:60]
            assert b"<html>" not in answer or b" 404 " in answer, said[:60]


def test_compression_is_not_agreed_so_that_no_bomb_has_a_way_in(web: Server) -> None:
    client = connect(web, header=["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"])
    assert "sec-websocket-extensions" not in client.headers
    client.sock.sendall(b"\xc1\x85" + MASK + b"\xec\xc1\x01\x01\x00")  # type: ignore[union-attr]
    assert ended(client)


def ended(client: websocket.WebSocket) -> bool:
    """Whether the server ends it, whatever it says before."""
    try:
        while client.recv():
            pass
    except websocket.WebSocketTimeoutException:
        return False
    except (OSError, websocket.WebSocketException):
        pass
    client.shutdown()  # type: ignore[no-untyped-call]
    return True


@pytest.mark.parametrize("path", ["/ws/stream", "/market/ws", "/stream"])
@pytest.mark.parametrize(
    "said",
    [
        lambda: [b"\x81\xff" + (100 * MB).to_bytes(8) + MASK, *[b"x" * MB] * 20],
        lambda: [b"\x01\x80" + MASK, *[(b"\x00\xff" + (60_000).to_bytes(8) + MASK + b"x" * 60_000)] * 100],
        lambda: [b"\x89\xfe" + (60_000).to_bytes(2) + MASK + b"x" * 60_000],
        lambda: [b"\x81\x05hello"],
    ],
    ids=["100 MB", "pieces", "long ping", "unmasked"],
)
def test_frames_without_end_end_the_connection(web: Server, path: str, said: Callable[[], list[bytes]]) -> None:
    client = connect(web, path)
    with suppress(OSError):
        for piece in said():
            client.sock.sendall(piece)  # type: ignore[union-attr]
    assert ended(client)


def send_until_stuck(client: websocket.WebSocket, data: bytes, most: int) -> int:
    """Send without reading; how many bytes the other side took before it stopped taking for a while."""
    assert client.sock is not None
    client.sock.settimeout(1.5)
    sent = 0
    with suppress(OSError):
        while sent < most:
            sent += client.sock.send(data)
    return sent


def test_who_pings_and_never_reads_is_not_read_either(web: Server) -> None:
    client = connect(web, sockopt=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
    ping = b"\x89\xfd" + MASK + b"?" * 125
    assert send_until_stuck(client, ping * 1000, 200 * MB) < 60 * MB
    assert_served(web)
    client.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("symbols", [["BTCUSDT"], [f"NONE{number}" for number in range(700)]])
def test_who_asks_faster_than_can_be_answered_is_read_slower(web: Server, symbols: list[str]) -> None:
    asked = [{"symbol": each, "timeframes": [{"timeframe": 7}]} for each in symbols]
    text = json.dumps({"action": "subscribe", "subscriptions": asked}).ljust(60_000).encode()
    clients = [connect(web) for _ in range(3)]
    for client in clients:
        taken = send_until_stuck(client, b"\x81\xfe" + len(text).to_bytes(2) + MASK + text, 40 * MB)
        # What one message asks for 700 times takes longer to obey than to send.
        assert taken < 40 * MB or len(symbols) == 1
        assert_served(web)
    for client in clients:
        client.shutdown()  # type: ignore[no-untyped-call]


def test_ten_thousand_subscriptions_are_as_many_as_there_may_be(web: Server) -> None:
    client = connect(web)
    done = failed = 0
    for first in range(1, 10_001, 2_000):
        timeframes = [{"timeframe": each, "initial_candles": 0} for each in range(first, first + 2_000)]
        message = json.dumps(
            {"action": "subscribe", "subscriptions": [{"symbol": "BTCUSDT", "timeframes": timeframes}]},
            separators=(",", ":"),
        )
        # Too long by a little: five times four messages.
        assert len(message) > LARGEST_MESSAGE
        for part in range(0, 2_000, 500):
            asked = [{"symbol": "BTCUSDT", "timeframes": timeframes[part : part + 500]}]
            client.send(json.dumps({"action": "subscribe", "subscriptions": asked}))
            while (answer := json.loads(client.recv()))["type"] != "subscription_result":
                pass
            done += len(answer["successful_subscriptions"])
            failed += len(answer["failed_subscriptions"])
    assert (done, failed) == (50, 9_950)
    assert answer["failed_subscriptions"][0]["reason"] == "a connection may have 50 subscriptions"
    client.close(timeout=1)
    names = "/".join(f"btcusdt@kline_{number}m" for number in range(1, 600))
    client = connect(web, f"/stream?streams={names}")
    assert "Too many subscriptions" in client.recv()
    client.close(timeout=1)


def test_many_connections_are_as_many_as_there_may_be(web: Server) -> None:
    clients = [connect(web) for _ in range(200)]
    refused = [json.loads(client.recv())["message"] for client in clients[10:]]
    assert set(refused) == {"An address may have 10 connections."}
    for client in clients:
        client.shutdown()  # type: ignore[no-untyped-call]
    wait_until(lambda: web.data("/api/v1/monitoring/health")["websocket_connections"] == 0, 10, "them to be gone")


EVIL = [
    "'; DROP TABLE trades_local; --",
    "' OR 1=1 UNION SELECT password FROM auth_user --",
    "BTCUSDT') OR (1=1",
    "{symbol:String}",
    "%(symbol)s %s %d",
    "{{7*7}}${7*7}",
    "../../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "/etc/passwd",
    "C:\\windows\\win.ini",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "a\r\nSet-Cookie: evil=1\r\n\r\n<html>",
    "a\n2026-01-01T00:00:00Z CRITICAL forged",
    "\0",
    "BTC\0USDT",
    "\ufeffBTCUSDT\u202e",
    "BTCUSDT\u2028X",
    "💥" * 50,
    "İ",
    "1e999",
    "-1",
    "9" * 400,
    "NaN",
    "1;2",
    "[]",
    "x" * 5000,
]


def parameters() -> list[tuple[str, str, str, str]]:
    """Method, path, where a parameter is, and its name: of every operation."""
    paths: dict[str, dict[str, Any]] = json.loads(
        json.dumps(api.get_openapi_schema(path_prefix="api/v1/"), default=str)
    )["paths"]
    found = [
        (method, path, each["in"], each["name"])
        for path, operations in paths.items()
        for method, operation in operations.items()
        for each in operation.get("parameters", ())
    ]
    for path, names in {
        "/fapi/v1/klines": ("symbol", "interval", "startTime", "endTime", "limit"),
        "/fapi/v1/aggTrades": ("symbol", "fromId", "startTime", "limit"),
        "/udf/history": ("symbol", "resolution", "from", "to", "countback"),
        "/udf/symbols": ("symbol",),
        "/udf/search": ("query", "type", "exchange", "limit"),
    }.items():
        found += [("get", path, "query", name) for name in names]
    return found


def wrong_with(answer: requests.Response) -> str | None:
    """What no answer may be, whatever was asked."""
    kind = answer.headers["Content-Type"].partition(";")[0]
    # Without an exchange some can only say so.
    if answer.status_code >= 500 and answer.status_code != 503:
        return "it failed"
    if kind == "text/html" and answer.status_code != 404:
        return "it is a page"
    if answer.headers.get("X-Content-Type-Options") != "nosniff":
        return "a browser may take it for something else"
    if "Set-Cookie" in answer.headers or "root:" in answer.text or "Traceback" in answer.text:
        return "it says what it should not"
    if answer.status_code >= 400 and (len(answer.text) > 1500 or (kind == "application/json" and not answer.json())):
        return "it is no sentence"
    return None


def test_nothing_can_be_injected(web: Server, log: Path) -> None:
    asked, wrong = 0, []
    session = requests.Session()
    for method, path, where, name in parameters():
        for evil in EVIL:
            query = {"symbol": "BTCUSDT"} if "{symbol}" not in path and name != "symbol" else {}
            url = path.replace(f"{{{name}}}", quote(evil, safe="")) if where == "path" else path
            if where == "query":
                query[name] = evil
            answer = session.request(method, web.url + url.replace("{symbol}", "BTCUSDT"), params=query, timeout=20)
            asked += 1
            if reason := wrong_with(answer):
                wrong.append(f"{reason}: {method} {answer.url[:200]}: {answer.status_code} {answer.text[:200]}")
    assert wrong == []
    assert asked > 1000
    assert not [line for line in log.read_text().splitlines() if line.startswith("2026-01-01T00:00:00Z CRITICAL")]


def test_headers_inject_nothing_either(web: Server, log: Path) -> None:
    for evil in (b"' OR 1=1 --", b"<script>", b"\xff\xfe", b"a\tb", "ü💥".encode(), b"x" * 10_000, b"../../x"):
        for name in (
            "X-API-Key",
            "Authorization",
            "X-Forwarded-For",
            "Origin",
            "Host",
            "Cookie",
            "Accept-Encoding",
            "Range",
        ):
            with plain(web) as client:
                host = b"" if name == "Host" else b"Host: 127.0.0.1\r\n"
                path = b"/api/v1/data/klines/BTCUSDT"
                client.sendall(
                    b"GET %s HTTP/1.1\r\n%s%s: %s\r\nConnection: close\r\n\r\n" % (path, host, name.encode(), evil)
                )
                answer = b""
                while piece := client.recv(65_536):
                    answer += piece
                assert answer.split(b" ", 2)[1] in (b"200", b"400", b"401"), (name, evil, answer[:300])
                assert b"Traceback" not in answer
                assert b"<script>" not in answer.partition(b"\r\n\r\n")[2]


def test_a_stream_of_a_strange_name_is_silent_or_refused(web: Server) -> None:
    for evil in EVIL:
        client = connect(web)
        client.send(
            json.dumps({"action": "subscribe", "subscriptions": [{"symbol": evil, "timeframes": [{"timeframe": 7}]}]})
        )
        answer = json.loads(client.recv())
        assert answer["type"] == "error" or answer["failed_subscriptions"], evil
        client.close(timeout=1)
        client = connect(web, "/market/ws")
        client.send(json.dumps({"method": "SUBSCRIBE", "params": [f"{evil}@kline_1m", evil], "id": 1}))
        assert json.loads(client.recv())["id"] == 1
        client.close(timeout=1)
        path = quote(evil, safe="")
        # What no address leads to is refused before the handshake is over.
        with suppress(websocket.WebSocketBadStatusException):
            connect(web, f"/market/ws/{path}@aggTrade?streams={path}&x={path}").close(timeout=1)
