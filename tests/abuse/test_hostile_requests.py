"""Requests that mean harm, slow, endless or no HTTP at all: cut off, and everybody else is served meanwhile."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import requests

from api.intake import MOST_BODY_BYTES
from tests.abuse.web import LIVE, MB, connect, plain, process_of
from tests.api.conftest import Server
from tests.waiting import wait_until


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
