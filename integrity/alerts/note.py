"""What was told, on this host's own disk: for the process that takes the place of one that died.

Postgres has it for all hosts, but may be away just then.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

logger = logging.getLogger(__name__)


class Note:
    """A file. `began`: the same for as long as a supervisor runs; what was before is of no use."""

    def __init__(self, path: Path, began: str) -> None:
        self._path, self._began = path, began

    def read(self) -> dict[str, str] | None:
        """The incidents that are told and not over: key -> sentence; None when nothing was told since `began`."""
        try:
            found = json.loads(self._path.read_text())
            return dict(found["told"]) if found["began"] == self._began else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, told: Mapping[str, str]) -> None:
        """Remember these. On a disk that cannot be written a message may come twice: that is said, and no more."""
        draft = self._path.with_suffix(".draft")
        try:
            draft.write_text(json.dumps({"began": self._began, "told": dict(told)}))
            draft.replace(self._path)
        except OSError as error:
            logger.warning("%s cannot be written (%s): something may be told twice.", self._path, error.strerror)
