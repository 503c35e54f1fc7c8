"""Frames that could not be used, kept aside with the reason: one JSON line each, bounded in size and in number."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import orjson

logger = logging.getLogger(__name__)

#: A frame is cut at this many bytes, a day's file at MAX_FILE_BYTES; beyond it dead letters are only counted.
MAX_PAYLOAD_BYTES = 4_096
MAX_FILE_BYTES = 50_000_000
#: Of one second so many are kept, the others only counted: a flood must not hold up the trades of other connections.
MOST_A_SECOND = 1_000


class DeadLetters:
    """The dead-letter file of this process: `<folder>/YYYY-MM-DD.<name>.jsonl`, a line `{at, reason, payload}`."""

    def __init__(self, folder: Path, name: str, wall_clock: Callable[[], float]) -> None:
        self._folder = folder
        self._name = name
        self._wall_clock = wall_clock
        self.counts: Counter[str] = Counter()
        self._told: Counter[str] = Counter()
        self._second, self._left = 0, MOST_A_SECOND

    @property
    def total(self) -> int:
        """How many frames were kept aside since the start."""
        return self.counts.total()

    def add(self, reason: str, payload: bytes) -> None:
        """Keep one frame aside. Never raises: a full disk costs the copy, not the count."""
        self.add_all([(reason, payload)])

    def add_all(self, letters: Sequence[tuple[str, bytes]]) -> None:
        """Keep frames aside, each with its reason; likewise."""
        self.counts.update(reason for reason, _ in letters)
        now = self._wall_clock()
        if int(now) != self._second:
            self._second, self._left = int(now), MOST_A_SECOND
        kept = letters[: self._left]
        self._left -= len(kept)
        if kept:
            self._write(datetime.fromtimestamp(now, UTC), kept)

    def news(self) -> str | None:
        """A sentence about the frames since it was asked last; None when there were none."""
        new = self.counts - self._told
        if not new:
            return None
        self._told = self.counts.copy()
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in new.most_common(5))
        return f"{new.total():,} frames of the exchange could not be used ({reasons}): see {self._folder}."

    def _write(self, at: datetime, letters: Sequence[tuple[str, bytes]]) -> None:
        path = self._folder / f"{at:%Y-%m-%d}.{self._name}.jsonl"
        time = at.isoformat(timespec="milliseconds")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                for reason, payload in letters:
                    if file.tell() >= MAX_FILE_BYTES:
                        return
                    text = payload[:MAX_PAYLOAD_BYTES].decode("utf-8", "backslashreplace")
                    file.write(orjson.dumps({"at": time, "reason": reason, "payload": text}) + b"\n")
        except OSError as error:
            logger.warning("A dead letter could not be written to %s: %s", path, error)
