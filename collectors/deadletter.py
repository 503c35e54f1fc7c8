"""Frames that could not be used, kept aside with the reason: one JSON line each, bounded in size."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import orjson

logger = logging.getLogger(__name__)

#: A frame is cut at this many bytes, a day's file at MAX_FILE_BYTES; beyond it dead letters are only counted.
MAX_PAYLOAD_BYTES = 4_096
MAX_FILE_BYTES = 50_000_000


class DeadLetters:
    """The dead-letter file of this process: `<folder>/YYYY-MM-DD.<name>.jsonl`, a line `{at, reason, payload}`."""

    def __init__(self, folder: Path, name: str, wall_clock: Callable[[], float]) -> None:
        self._folder = folder
        self._name = name
        self._wall_clock = wall_clock
        self.counts: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """How many frames were kept aside since the start."""
        return self.counts.total()

    def add(self, reason: str, payload: bytes) -> None:
        """Keep one frame aside. Never raises: a full disk costs the copy, not the count."""
        self.counts[reason] += 1
        at = datetime.fromtimestamp(self._wall_clock(), UTC)
        line = orjson.dumps(
            {
                "at": at.isoformat(timespec="milliseconds"),
                "reason": reason,
                "payload": payload[:MAX_PAYLOAD_BYTES].decode("utf-8", "backslashreplace"),
            }
        )
        path = self._folder / f"{at:%Y-%m-%d}.{self._name}.jsonl"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                if file.tell() < MAX_FILE_BYTES:
                    file.write(line + b"\n")
        except OSError as error:
            logger.warning("A dead letter could not be written to %s: %s", path, error)
