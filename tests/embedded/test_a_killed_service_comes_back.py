"""kill -9 of a service: check() starts it again on the same port, and what was acknowledged is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from dataprovider.embedded.supervision import back_off
from tests.embedded.clients import (
    EVERYWHERE,
    ask_clickhouse,
    ask_postgres,
    ask_valkey,
    read_everywhere,
    write_everywhere,
)
from tests.embedded.conftest import StackMaker
from tests.embedded.killing import check_until_back, kill
from tests.waiting import wait_until


@pytest.mark.parametrize("name", ["postgres", "valkey", "clickhouse"])
def test_a_killed_service_comes_back_with_its_data(name: str, tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path)
    variables = stack.start()
    write_everywhere(variables)
    others = {other: service.pid for other, service in stack.services.items() if other != name}

    killed = kill(stack, name)
    assert check_until_back(stack, name) == {name: ["died", "restarted", "back"]}

    assert stack.services[name].pid != killed
    assert stack.services[name].is_running
    assert {other: stack.services[other].pid for other in others} == others
    assert read_everywhere(variables) == EVERYWHERE


def test_every_acknowledged_write_survives_repeated_kills(tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path)
    variables = stack.start()
    ask_clickhouse(variables, "CREATE TABLE numbers (value UInt64) ENGINE = MergeTree ORDER BY value")
    ask_postgres(variables, "CREATE TABLE numbers (value int)")
    for value in range(3):
        ask_clickhouse(variables, "INSERT INTO numbers (value) SETTINGS async_insert = 0 VALUES", [(value,)])
        ask_postgres(variables, "INSERT INTO numbers VALUES (%s)", value)
        ask_valkey(variables, "RPUSH", "numbers", str(value))
        for name in stack.services:
            kill(stack, name)
        check_until_back(stack, *stack.services)
    assert ask_clickhouse(variables, "SELECT value FROM numbers ORDER BY value") == [(0,), (1,), (2,)]
    assert ask_postgres(variables, "SELECT value FROM numbers ORDER BY value") == [(0,), (1,), (2,)]
    assert ask_valkey(variables, "LRANGE", "numbers", "0", "-1") == ["0", "1", "2"]


def test_a_service_that_dies_again_at_once_is_started_later_each_time(tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path, "valkey")
    stack.start()
    kill(stack, "valkey")
    check_until_back(stack, "valkey")
    kill(stack, "valkey")
    sentences: list[str] = []

    def noticed() -> bool:
        sentences.extend(str(event) for event in stack.check())
        return bool(sentences)

    wait_until(noticed, 10, "the death to be noticed")
    assert sentences == ["Valkey ended (killed by signal 9) and is started again in 0.5 s."]


def test_the_back_off_grows_up_to_half_a_minute() -> None:
    assert [back_off(failures) for failures in range(9)] == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_nothing_is_reported_while_all_is_well(tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path, "valkey")
    stack.start()
    assert stack.check() == []
