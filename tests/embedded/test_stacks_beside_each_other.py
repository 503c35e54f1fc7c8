"""Two stacks run on one machine; one folder has one stack; what the environment names is not started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dataprovider.embedded import ServiceProblem
from tests.embedded.clients import EVERYWHERE, ask_postgres, read_everywhere, write_everywhere
from tests.embedded.conftest import LEADING_VARIABLES, StackMaker


def test_two_stacks_do_not_see_each_other(tmp_path: Path, make_stack: StackMaker) -> None:
    one, other = make_stack(tmp_path / "one"), make_stack(tmp_path / "other")
    one_variables, other_variables = one.start(), other.start()
    write_everywhere(one_variables)
    write_everywhere(other_variables)
    ask_postgres(other_variables, "UPDATE mark SET value = 8")
    assert read_everywhere(one_variables) == EVERYWHERE
    other.stop()
    assert read_everywhere(one_variables) == EVERYWHERE
    secret = {"DATABASE_URL", "REDIS_URL", "CLICKHOUSE_PASSWORD"}
    assert all(one_variables[name] != other_variables[name] for name in secret)


def test_a_second_stack_in_the_same_folder_is_refused(tmp_path: Path, make_stack: StackMaker) -> None:
    first = make_stack(tmp_path, "valkey")
    first.start()
    with pytest.raises(ServiceProblem, match=rf"Another one is running.*pid {os.getpid()}.*DATAPROVIDER_HOME"):
        make_stack(tmp_path, "valkey").start()
    assert first.services["valkey"].is_running
    assert (tmp_path / "services.json").exists()


def test_a_forked_child_neither_keeps_the_folder_nor_stops_its_services(tmp_path: Path, make_stack: StackMaker) -> None:
    first = make_stack(tmp_path, "valkey")
    first.start()
    child_done, tell_parent = os.pipe()
    wait_for_parent, parent_done = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(parent_done)
        first.stop()
        os.write(tell_parent, b".")
        os.read(wait_for_parent, 1)
        os._exit(0)
    os.close(tell_parent)
    try:
        assert os.read(child_done, 1)
        assert first.check() == []
        assert (tmp_path / "services.json").exists()
        first.stop()
        make_stack(tmp_path, "valkey").start()
    finally:
        os.close(parent_done)
        os.waitpid(child, 0)
        os.close(child_done)
        os.close(wait_for_parent)


@pytest.mark.parametrize("name", list(LEADING_VARIABLES))
def test_a_service_named_in_the_environment_is_not_started(name: str, tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path, environ={LEADING_VARIABLES[name]: "elsewhere"})
    variables = stack.start()
    assert set(stack.services) == set(LEADING_VARIABLES) - {name}
    assert LEADING_VARIABLES[name] not in variables
    assert not (tmp_path / name).exists()


def test_nothing_is_started_when_all_are_named(tmp_path: Path, make_stack: StackMaker) -> None:
    stack = make_stack(tmp_path, environ=dict.fromkeys(LEADING_VARIABLES.values(), "elsewhere"))
    assert stack.start() == {}
    assert stack.services == {}


def test_an_empty_variable_names_nothing(tmp_path: Path, make_stack: StackMaker) -> None:
    assert set(make_stack(tmp_path, "valkey", environ={"REDIS_URL": ""}).start()) == {"REDIS_URL"}


def test_clickhouse_settings_hold_for_the_embedded_one_too(tmp_path: Path, make_stack: StackMaker) -> None:
    chosen = {"CLICKHOUSE_DATABASE": "deals", "CLICKHOUSE_USERNAME": "reader", "CLICKHOUSE_PASSWORD": "se<&>cret"}
    variables = make_stack(tmp_path, "clickhouse", environ=chosen).start()
    assert {name: variables[name] for name in chosen} == chosen
