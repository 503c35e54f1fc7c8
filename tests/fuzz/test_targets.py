"""What the fuzzer starts from, and everything it has found, is tried in every run of the tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.fuzz import archives, frames, messages

TARGETS = {"frames": frames, "archives": archives, "messages": messages}
CASES = [
    pytest.param(name, data, id=f"{name}-{number}")
    for name, target in TARGETS.items()
    for number, data in enumerate([*target.SEEDS, *target.FOUND, b""])
]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(("name", "data"), CASES)
def test_it_is_read_or_refused(name: str, data: bytes) -> None:
    TARGETS[name].target()(data)
