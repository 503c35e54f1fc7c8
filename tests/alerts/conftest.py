"""The look-alike of this test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.alerts.lookalike import Lookalike


@pytest.fixture
def lookalike() -> Iterator[Lookalike]:
    made = Lookalike()
    yield made
    made.close()
