"""The core keeps its promises in a world that loses, delays, repeats, reorders, crashes and comes back."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.simulation.campaign import campaign, story
from tests.simulation.run import Result, simulate

SEEDS = 2_000
#: In so many pieces, so that test processes may share them.
PIECES = 4


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """Production code says much about so much trouble."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("piece", range(PIECES))
def test_every_seed_keeps_every_promise(piece: int) -> None:
    faults, sent = Counter[str](), 0
    for seed in range(piece, SEEDS, PIECES):
        result = simulate(seed)
        if result.violations:
            pytest.fail(story(simulate(seed, traced=True)), pytrace=False)
        faults.update(result.faults)
        sent += result.sent
    # A world without trouble would prove nothing.
    assert sent > 50 * SEEDS / PIECES
    assert len(faults) > 25
    assert min(faults.values()) >= 5


def test_a_campaign_says_what_it_came_to_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert campaign(range(5, 8), as_json=True) == 0
    (line,) = capsys.readouterr().out.splitlines()
    said = json.loads(line)
    assert (said["seeds"], said["first_seed"], said["failed"], said["violations"]) == (3, 5, [], [])
    assert said["sent"] > 100


def test_a_failing_seed_is_told_with_the_command_that_replays_it() -> None:
    told = story(Result(17, "liveness", ["P1 at 3.000 s: lost"], {}, 0, 0, 3.0, [(1.5, "FAULT", "store crashes")]))
    assert "P1 at 3.000 s: lost" in told
    assert "1.500  FAULT store crashes" in told
    assert "make chaos ARGS='--first-seed 17'" in told


def test_a_seed_is_one_exact_run() -> None:
    assert simulate(7, traced=True) == simulate(7, traced=True)
