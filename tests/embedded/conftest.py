"""Stacks of their own for these tests, beside the one of the test run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from dataprovider.embedded import ServiceStack

LEADING_VARIABLES = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL", "clickhouse": "CLICKHOUSE_HOST"}


class StackMaker(Protocol):
    def __call__(
        self, home: Path, *only: str, environ: Mapping[str, str] | None = None, **options: Any
    ) -> ServiceStack: ...


@pytest.fixture
def make_stack() -> Iterator[StackMaker]:
    """Makes a stack (not started) in `home`, of the services named or of all; stopped after the test."""
    made: list[ServiceStack] = []

    def make(home: Path, *only: str, environ: Mapping[str, str] | None = None, **options: Any) -> ServiceStack:
        elsewhere = {variable: "elsewhere" for name, variable in LEADING_VARIABLES.items() if only and name not in only}
        stack = ServiceStack(home, environ={**elsewhere, **(environ or {})}, **options)
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.stop()
