"""Archives gone wrong, made from right ones."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from dataprovider.simulator.absences import Span


def corrupted(source: Path, target: Path) -> Path:
    """The same length, some bytes in the middle changed."""
    body = bytearray(source.read_bytes())
    middle = len(body) // 2
    for place in range(middle, min(middle + 64, len(body))):
        body[place] ^= 0xFF
    target.parent.mkdir(parents=True, exist_ok=True)
    # Put there in one step: the file of before may be on its way to a client.
    draft = target.with_suffix(".new")
    draft.write_bytes(body)
    return draft.replace(target)


def partial(source: Path, target: Path) -> Path:
    """A good zip that lacks the last half of the rows, as Binance's first uploads sometimes do (issue 413)."""
    with zipfile.ZipFile(source) as archive, archive.open(archive.namelist()[0]) as raw:
        rows = sum(1 for _ in raw)
    return _rewritten(source, target, lambda number, _: number < rows // 2)


def lacking(source: Path, target: Path, spans: Sequence[Span]) -> Path:
    """A good zip without the rows of some ids."""

    def kept(number: int, line: bytes) -> bool:
        if not line[:1].isdigit():
            return True
        identity = int(line.partition(b",")[0])
        return not any(first <= identity < end for first, end in spans)

    return _rewritten(source, target, kept)


def _rewritten(source: Path, target: Path, kept: Callable[[int, bytes], bool]) -> Path:
    """The lines of an archive that are kept, by their number and text."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".new")
    with zipfile.ZipFile(source) as archive:
        name = archive.namelist()[0]
        info = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        with (
            archive.open(name) as raw,
            zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as new,
            new.open(info, "w", force_zip64=True) as out,
        ):
            for number, line in enumerate(raw):
                if kept(number, line):
                    out.write(line)
    return draft.replace(target)
