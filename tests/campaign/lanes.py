"""When which fault comes: two lanes, processes and exchange, each one fault after the other in the order of a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import requests

from tests.campaign.faults import Kind, NoVictim, Undo
from tests.campaign.report import Say
from tests.campaign.stack import Stack

REST_SECONDS = (1.0, 3.0)


def order(seed: int, lane: str, kinds: Sequence[Kind]) -> Iterator[Kind]:
    """Every kind once in the seed's order, and again in another one, without end."""
    chance = random.Random(f"{seed} {lane}")
    while True:
        yield from chance.sample(kinds, len(kinds))


class Lane:
    """One fault at a time. `step` is to be called a few times a second."""

    def __init__(self, stack: Stack, say: Say, seed: int, name: str, kinds: Sequence[Kind]) -> None:
        self._stack = stack
        self._say = say
        self._order = order(seed, name, kinds)
        self._chance = random.Random(f"{seed} {name} details")
        self._undo: Undo | None = None
        self._next_at = 0.0
        self._kinds = len(kinds)
        self._begun = 0
        self._name = ""
        #: How often each kind was done.
        self.done: dict[str, int] = {}

    @property
    def came_round(self) -> bool:
        """Whether each kind had its turn, and the last is over."""
        return self._begun >= self._kinds and self._undo is None

    def step(self, now: float) -> None:
        """Begin or end a fault, when its time has come."""
        if now < self._next_at:
            return
        if self._undo is not None:
            self.calm()
            self._next_at = now + self._chance.uniform(*REST_SECONDS)
        elif self._kinds:
            self._begin(next(self._order), now)

    def calm(self) -> None:
        """Undo what is under way."""
        if self._undo is not None:
            undo, self._undo = self._undo, None
            undo()
            self._say(f"{self._name}: over")

    def _begin(self, kind: Kind, now: float) -> None:
        self._begun += 1
        # What one fault draws must not shift what the next one does.
        chance = random.Random(self._chance.random())
        try:
            self._undo = kind.begin(self._stack, chance)
        except (NoVictim, requests.RequestException) as problem:
            self._say(f"{kind.name}: left out, {problem}")
            return
        self._name = kind.name
        self._next_at = now + kind.seconds
        self.done[kind.name] = self.done.get(kind.name, 0) + 1
        self._say(kind.name)
