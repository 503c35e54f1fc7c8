"""The contract a name means: a ticker may be used again, and the one listed last has it. Everything here blocks."""

from __future__ import annotations

from collections.abc import Iterable

from collectors.models import Symbol


def newest_contract(name: str) -> Symbol | None:
    """The contract of this name that was listed last; None: there is none."""
    return newest_contracts([name]).get(name)


def newest_contracts(names: Iterable[str]) -> dict[str, Symbol]:
    """Of each name that is known the contract that was listed last."""
    # Postgres takes no NUL, and no contract has one in its name.
    possible = [name for name in names if "\0" not in name]
    # It comes last, so that it stays.
    return {each.name: each for each in Symbol.objects.filter(name__in=possible).order_by("onboard_date")}
