"""Ports: free ones, the same again after a restart, and a sentence for a taken one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dataprovider.embedded import ServiceProblem
from dataprovider.embedded.ports import KERNEL_RANGE, Ports
from tests.embedded.conftest import StackMaker


@contextmanager
def listener(port: int = 0) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", port)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("service", "port_name"),
    [
        ("postgres", "postgres"),
        ("valkey", "valkey"),
        ("clickhouse", "clickhouse_native"),
        ("clickhouse", "clickhouse_http"),
    ],
)
def test_a_wanted_port_that_is_taken_is_named_with_what_to_do(
    service: str, port_name: str, tmp_path: Path, make_stack: StackMaker
) -> None:
    with listener() as port:
        stack = make_stack(tmp_path, service, ports={port_name: port})
        with pytest.raises(ServiceProblem, match=rf"Port {port} is taken.*stop that program, or change") as caught:
            stack.start()
    assert "\n" not in str(caught.value)
    # The folder is free again, and the port can be used now.
    again = make_stack(tmp_path, service, ports={port_name: port})
    again.start()
    assert again.services[service].ports[port_name] == port


def test_a_port_named_in_the_environment_is_used(tmp_path: Path, make_stack: StackMaker) -> None:
    with listener() as port:
        pass
    stack = make_stack(tmp_path, "clickhouse", environ={"CLICKHOUSE_NATIVE_PORT": str(port)})
    assert stack.start()["CLICKHOUSE_NATIVE_PORT"] == str(port)


def test_a_port_that_is_no_number_is_named(tmp_path: Path, make_stack: StackMaker) -> None:
    with pytest.raises(ServiceProblem, match=r"CLICKHOUSE_HTTP_PORT must be a port.*'many'"):
        make_stack(tmp_path, environ={"CLICKHOUSE_HTTP_PORT": "many"})


def test_a_remembered_port_that_is_taken_now_is_replaced(tmp_path: Path) -> None:
    first = Ports(tmp_path, {}).choose("valkey", setting="")
    assert Ports(tmp_path, {}).choose("valkey", setting="") == first
    with listener(first):
        second = Ports(tmp_path, {}).choose("valkey", setting="")
        assert second != first
    assert Ports(tmp_path, {}).choose("valkey", setting="") == second


@pytest.mark.parametrize("content", ["", "[]", '{"valkey": "x"}', '{"valkey": 700000}', "\0"])
def test_a_spoiled_port_file_does_no_harm(content: str, tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(content)
    assert 1024 < Ports(tmp_path, {}).choose("valkey", setting="") < 65536


@pytest.mark.skipif(not KERNEL_RANGE.exists(), reason="the kernel does not say which ports it hands out")
def test_chosen_ports_are_not_those_of_outgoing_connections(tmp_path: Path) -> None:
    first_kernel_port = int(KERNEL_RANGE.read_text().split()[0])
    ports = Ports(tmp_path, {})
    chosen = {ports.choose(f"service {number}", setting="") for number in range(20)}
    assert len(chosen) == 20
    assert max(chosen) < max(first_kernel_port, 16_000)
