"""How far the exchange's clock was moved forward, on disk: a clock that jumped back would make trades twice."""

from __future__ import annotations

from pathlib import Path

import orjson

from dataprovider.simulator.errors import SimulatorError

OFFSET_FILE = "clock.json"


class OffsetFile:
    """The offset in `folder`, in one file that is replaced whole. Raises SimulatorError when it cannot be used."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / OFFSET_FILE

    def load(self) -> int:
        if not self._path.exists():
            return 0
        try:
            return int(orjson.loads(self._path.read_bytes())["offset_ms"])
        except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise SimulatorError(
                f"--state-dir: {self._path} is damaged ({type(error).__name__}); move it away together with the market "
                "beside it."
            ) from None

    def save(self, offset_ms: int) -> None:
        draft = self._path.with_suffix(".new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_bytes(orjson.dumps({"offset_ms": offset_ms}))
            draft.replace(self._path)
        except OSError as error:
            raise SimulatorError(f"--state-dir: {self._path} cannot be written ({error.strerror}).") from None
