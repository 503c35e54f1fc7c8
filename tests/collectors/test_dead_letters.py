"""Frames that could not be used: all are counted, and of a flood so many a second are kept."""

from __future__ import annotations

from pathlib import Path

from collectors.deadletter import MOST_A_SECOND, DeadLetters


def test_of_a_flood_so_many_a_second_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    now = 1_700_000_000.0
    letters = DeadLetters(tmp_path, "worker0", lambda: now)
    letters.add_all([("not JSON", b"x")] * (MOST_A_SECOND + 500))
    letters.add("not JSON", b"x")
    (file,) = tmp_path.iterdir()
    assert letters.total == MOST_A_SECOND + 501
    assert len(file.read_text().splitlines()) == MOST_A_SECOND
    now += 1
    letters.add("not JSON", b"x")
    assert len(file.read_text().splitlines()) == MOST_A_SECOND + 1
