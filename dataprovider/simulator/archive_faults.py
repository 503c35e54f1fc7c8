"""Archives gone wrong, made from right ones."""

from __future__ import annotations

import zipfile
from pathlib import Path


def corrupted(source: Path, target: Path) -> Path:
    """The same length, some bytes in the middle changed."""
    body = bytearray(source.read_bytes())
    middle = len(body) // 2
    for place in range(middle, min(middle + 64, len(body))):
        body[place] ^= 0xFF
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(body)
    return target


def partial(source: Path, target: Path) -> Path:
    """A good zip that lacks the last half of the rows, as Binance's first uploads sometimes do (issue 413)."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as archive:
        name = archive.namelist()[0]
        with archive.open(name) as raw:
            rows = sum(1 for _ in raw)
        info = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
        info.compress_type = zipfile.ZIP_DEFLATED
        with (
            archive.open(name) as raw,
            zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
            new.open(info, "w", force_zip64=True) as out,
        ):
            for _ in range(rows // 2):
                out.write(raw.readline())
    return target
