"""Whatever stands in a path, a parameter, a header or a message: it is refused in a sentence or means nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests
import websocket

from api.rest import api
from tests.abuse.web import connect, plain
from tests.api.conftest import Server

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
