"""What tests of integrity begin with."""

from __future__ import annotations

import pytest

from collectors.models import Symbol
from tests.integrity.rows import make_symbol


@pytest.fixture
def symbol() -> Symbol:
    """A contract that nobody collects now."""
    return make_symbol()
