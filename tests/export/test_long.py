"""Long exports: flat memory, slow clients, clients that go, a store that goes, and how many at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest
import requests

from dataprovider.clickhouse import ClickHouse
from tests.api.conftest import Server, StartServer, refusal
from tests.clickhouse.proxy import proxy_to
from tests.clickhouse.trades import Row, store
from tests.export.days import many
from tests.nodes import address_of, only_at
from tests.waiting import wait_until

TRADES = "/api/v1/export/trades/BTCUSDT"
MB = 1 << 20


def web(server: Server) -> psutil.Process:
    """The process that serves, found by its port."""
    port = int(server.url.rsplit(":", 1)[1])
    for child in psutil.Process().children(recursive=True):
        if "daphne" in " ".join(child.cmdline()) and str(port) in child.cmdline():
            return child
    raise AssertionError("no web process")


@contextmanager
def stuck(server: Server) -> Iterator[socket.socket]:
    """A client that asks for an export and reads nothing but its first bytes."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        client.connect((host, int(port)))
        client.sendall(f"GET {TRADES} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 200"
        yield client


def test_memory_is_flat_over_millions_of_trades(start_server: StartServer, clickhouse: ClickHouse) -> None:
    rows = 1_200_000
    many(clickhouse, rows)
    server = start_server()
    process = web(server)
    # A small one first: what is loaded once is no growth.
    assert server.get(TRADES, to_id=200_000).status_code == 200
    before, peak, ids, rest = process.memory_info().rss, 0, 0, b""
    with requests.get(server.url + TRADES, stream=True, timeout=60) as response:
        for chunk in response.iter_content(1 << 20):
            peak = max(peak, process.memory_info().rss)
            *whole, rest = (rest + chunk).split(b"\n")
            ids += len(whole)
    assert (ids, rest) == (rows + 1, b"")
    assert peak - before < 50 * MB, f"{before / MB:.0f} MB before, {peak / MB:.0f} MB at most"


def test_a_client_that_does_not_read_costs_no_memory_and_no_turn_once_it_is_gone(
    start_server: StartServer, clickhouse: ClickHouse
) -> None:
    many(clickhouse, 1_000_000)
    server = start_server()
    process = web(server)
    with stuck(server), stuck(server), stuck(server), stuck(server):
        response = server.get(TRADES)
        assert refusal(response)[:2] == (503, "TOO_MANY_EXPORTS")
        assert int(response.headers["Retry-After"]) > 0
        # All else is served, and the process reads no further than a few pieces.
        assert len(server.data("/api/v1/data/trades/BTCUSDT/latest")) == 100
        wait_until(lambda: _is_idle(process), 30, "the exports to wait for their clients")
    wait_until(lambda: server.get(TRADES, to_id=5).status_code == 200, 10, "a turn to be free again")
    assert all(server.get(TRADES, to_id=n).text.count("\n") == n + 2 for n in range(6))


def _is_idle(process: psutil.Process) -> bool:
    return process.cpu_percent(0.3) < 5 and process.memory_info().rss < 400 * MB


def test_a_store_that_goes_away_cuts_the_file_off(start_server: StartServer, clickhouse: ClickHouse) -> None:
    many(clickhouse, 500_000)
    with proxy_to(address_of(clickhouse).host, address_of(clickhouse).port) as proxy:
        server = start_server(**only_at(proxy.port))
        with requests.get(server.url + TRADES, stream=True, timeout=60) as response:
            assert response.status_code == 200
            chunks = response.iter_content(1 << 16)
            assert next(chunks).startswith(b"aggregate_id,")
            proxy.go_away()
            # A connection that just falls silent would be a ConnectionError, after the time-out.
            with pytest.raises(requests.exceptions.ChunkedEncodingError):
                for _ in chunks:
                    pass
        assert refusal(server.get(TRADES))[:2] == (503, "STORE_UNAVAILABLE")
        proxy.come_back()
        assert server.get(TRADES, to_id=3).text.count("\n") == 5


def test_rows_between_two_pieces_come_once(server: Server, clickhouse: ClickHouse) -> None:
    # Pieces of 50,000: pairs under one id stand across their border.
    store(clickhouse, [Row(n // 2, 1_704_067_200_000 + n // 10, first=n) for n in range(100_007)])
    firsts = [int(line.split(",")[3]) for line in server.get(TRADES).text.splitlines()[1:]]
    assert firsts == list(range(100_007))
