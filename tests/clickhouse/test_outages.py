"""ClickHouse away, silent or slow: one clear error, nothing hangs, and the pool works again afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from clickhouse_driver import Client

from dataprovider.clickhouse import ClickHouse, ClickHouseRejected, ClickHouseUnavailable
from dataprovider.clickhouse.pool import Pool
from tests.clickhouse.proxy import Proxy, proxy_to
from tests.waiting import wait_until

#: Takes a minute, and can be stopped at any moment.
SLOW = "SELECT sleepEachRow(0.1) FROM numbers(600) SETTINGS max_block_size = 1"


@pytest.fixture
def proxy(migrated_clickhouse: ClickHouse) -> Iterator[Proxy]:
    address = migrated_clickhouse.addresses[0]
    with proxy_to(address.host, address.port) as proxy:
        yield proxy


@pytest.fixture
def shaky(migrated_clickhouse: ClickHouse, proxy: Proxy) -> Iterator[ClickHouse]:
    """A client whose network is the proxy, with short time-outs and two connections."""
    address = replace(migrated_clickhouse.addresses[0], host="127.0.0.1", port=proxy.port)
    client = ClickHouse(address, pool_size=2, connect_timeout=0.5, timeout=1.0)
    yield client
    client.close()


def ask(client: ClickHouse) -> object:
    return client.query("total_rows")


def test_nothing_connects_before_the_first_call(migrated_clickhouse: ClickHouse) -> None:
    ClickHouse(replace(migrated_clickhouse.addresses[0], host="127.0.0.1", port=1)).close()


def test_a_closed_port_is_one_sentence_that_says_what_to_do(migrated_clickhouse: ClickHouse) -> None:
    address = replace(migrated_clickhouse.addresses[0], host="127.0.0.1", port=1, password="hunter2")
    client = ClickHouse(address, connect_timeout=0.5)
    with pytest.raises(ClickHouseUnavailable, match=r"127\.0\.0\.1:1.*CLICKHOUSE_HOST") as caught:
        ask(client)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value) + repr(address)
    client.close()


def test_a_wrong_password_is_rejected_without_being_shown(migrated_clickhouse: ClickHouse) -> None:
    client = ClickHouse(replace(migrated_clickhouse.addresses[0], password="hunter2"))
    with pytest.raises(ClickHouseRejected, match="CLICKHOUSE_PASSWORD") as caught:
        ask(client)
    assert "hunter2" not in str(caught.value)
    client.close()


def test_the_pool_works_again_when_the_service_is_back(shaky: ClickHouse, proxy: Proxy) -> None:
    ask(shaky)
    proxy.go_away()
    for _ in range(5):
        with pytest.raises(ClickHouseUnavailable):
            ask(shaky)
    proxy.come_back()
    ask(shaky)


def test_a_connection_that_was_cut_while_idle_is_not_noticed(shaky: ClickHouse, proxy: Proxy) -> None:
    ask(shaky)
    proxy.cut()
    ask(shaky)


def test_a_connection_cut_in_the_middle_of_a_query_is_unavailable(shaky: ClickHouse, proxy: Proxy) -> None:
    ask(shaky)
    failed: list[Exception] = []

    def run() -> None:
        try:
            shaky.run_text(SLOW)
        except ClickHouseUnavailable as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    proxy.lose_answers_after = 10_000
    proxy.cut()
    thread.join(timeout=5)
    assert len(failed) == 1
    ask(shaky)


def test_a_query_that_takes_too_long_is_stopped_and_its_connection_is_replaced(shaky: ClickHouse) -> None:
    before = time.monotonic()
    with pytest.raises(ClickHouseUnavailable):
        shaky.run_text(SLOW)
    assert time.monotonic() - before < 3
    ask(shaky)


def test_a_silent_service_is_given_up_after_the_time_out(shaky: ClickHouse, proxy: Proxy) -> None:
    proxy.lose_answers_after = 0
    before = time.monotonic()
    with pytest.raises(ClickHouseUnavailable):
        ask(shaky)
    assert time.monotonic() - before < 3
    proxy.lose_answers_after = None
    ask(shaky)


def test_never_more_connections_than_the_pool_has(shaky: ClickHouse, proxy: Proxy) -> None:
    answers: list[object] = []

    def run() -> None:
        for _ in range(20):
            answers.append(ask(shaky))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 160
    assert proxy.accepted == 2


def test_a_caller_that_finds_every_connection_busy_is_told_so(shaky: ClickHouse) -> None:
    def run() -> None:
        with pytest.raises(ClickHouseUnavailable):
            shaky.run_text(SLOW)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: busy(shaky), 5, "both connections to be busy")
    finally:
        for thread in threads:
            thread.join()
    ask(shaky)


def busy(client: ClickHouse) -> bool:
    try:
        ask(client)
    except ClickHouseUnavailable as error:
        return "busy" in str(error)
    return False


def test_a_closed_client_says_so(shaky: ClickHouse) -> None:
    ask(shaky)
    shaky.close()
    with pytest.raises(ClickHouseUnavailable, match="closed"):
        ask(shaky)


def read_one_row_and_be_interrupted(client: Client) -> None:
    next(client.execute_iter("SELECT number FROM numbers(1000000)"))
    raise KeyboardInterrupt


def test_a_connection_whose_borrower_broke_off_is_not_lent_again(migrated_clickhouse: ClickHouse) -> None:
    pool = Pool(migrated_clickhouse.addresses[0], size=1, connect_timeout=3.0, timeout=5.0)
    with pytest.raises(KeyboardInterrupt), pool.lend() as client:
        read_one_row_and_be_interrupted(client)
    with pool.lend() as client:
        assert client.execute("SELECT 'mine'") == [("mine",)]
    pool.close()
