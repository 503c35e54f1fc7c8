"""State machines: which state may follow which. A transition that is not in the table raises."""

from __future__ import annotations

from collections.abc import Collection, Mapping


class IllegalTransition(Exception):
    """A state was to be followed by one that may not follow it."""


class StateMachine:
    """The states of one kind of thing and the legal steps between them, in one table."""

    def __init__(self, name: str, transitions: Mapping[str, Collection[str]]) -> None:
        """`transitions`: state -> the states that may follow it; every state has an entry."""
        self._name = name
        self._transitions = {str(state): frozenset(map(str, after)) for state, after in transitions.items()}
        unknown = frozenset[str]().union(*self._transitions.values()) - self._transitions.keys()
        if unknown:
            raise ValueError(f"{name}: states without an entry: {sorted(unknown)}")

    @property
    def states(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self._transitions)

    def check(self, old: str, new: str) -> None:
        """Raise IllegalTransition unless `new` may follow `old`."""
        if str(new) not in self._transitions.get(str(old), frozenset()):
            raise IllegalTransition(f"A {self._name} that is {old} cannot become {new}.")

    def before(self, new: str) -> list[str]:
        """The states that `new` may follow: what a compare-and-set filters by."""
        return sorted(state for state, after in self._transitions.items() if str(new) in after)
