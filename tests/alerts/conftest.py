"""The look-alikes of a test."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

from tests.alerts.lookalike import Lookalike, Mailbox


@pytest.fixture
def lookalike() -> Iterator[Lookalike]:
    made = Lookalike()
    yield made
    made.close()


@pytest.fixture
def hook() -> Iterator[Lookalike]:
    made = Lookalike()
    yield made
    made.close()


@pytest.fixture
def free_port() -> int:
    """Where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def open_mailbox(free_port: int) -> Iterator[Callable[[], Mailbox]]:
    """A mail server at `free_port`, from when it is called on."""
    made: list[Mailbox] = []

    def start() -> Mailbox:
        made.append(Mailbox(free_port))
        return made[-1]

    yield start
    for each in made:
        each.close()
