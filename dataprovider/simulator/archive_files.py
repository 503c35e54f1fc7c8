"""Archive files on disk: finding them, and reading their rows."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.symbols import exact
from dataprovider.simulator.trades import Int64s

#: Columns of an archive row: id, price, quantity (10^-8), first and last trade id, time (ms), maker (0 or 1).
COLUMNS = 7
#: Spot archives are in microseconds; their times are beyond this and they are refused.
LATEST_MS = 10**14
#: How many bytes of CSV are turned into rows at once.
PIECE_BYTES = 4_000_000
_NAME = re.compile(r"(?P<symbol>.+)-aggTrades-(?P<date>\d{4}-\d{2}(-\d{2})?)\.zip")


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One zip in Binance's layout: …/{daily,monthly}/aggTrades/SYM/SYM-aggTrades-DATE.zip."""

    path: Path
    period: str
    symbol: str
    date: str


def find_archives(folder: Path) -> list[ArchiveFile]:
    """Every archive below a folder, by symbol and date. Raises SimulatorError when there is none."""
    if not folder.is_dir():
        raise SimulatorError(f"--archive-dir: {folder} is not a folder.")
    found = []
    for path in folder.rglob("*.zip"):
        name = _NAME.fullmatch(path.name)
        parents = path.parent
        if name and parents.name == name["symbol"] and parents.parent.name == "aggTrades":
            period = parents.parent.parent.name
            if period in ("daily", "monthly"):
                found.append(ArchiveFile(path, period, name["symbol"], name["date"]))
    if not found:
        raise SimulatorError(
            f"--archive-dir: no archive below {folder}; wanted: {{daily,monthly}}/aggTrades/SYM/SYM-aggTrades-DATE.zip."
        )
    return sorted(found, key=lambda item: (item.symbol, item.period, item.date))


def read_rows(file: ArchiveFile) -> Iterator[Int64s]:
    """The rows of an archive in its order, in pieces of shape (n, COLUMNS). Raises SimulatorError."""
    try:
        with zipfile.ZipFile(file.path) as archive, archive.open(archive.namelist()[0]) as raw:
            while lines := raw.readlines(PIECE_BYTES):
                rows = _rows(lines)
                if len(rows):
                    yield rows
    except (OSError, zipfile.BadZipFile, IndexError, ValueError) as error:
        raise SimulatorError(f"--archive-dir: {file.path} cannot be replayed: {error}.") from None


def _rows(lines: list[bytes]) -> Int64s:
    values: list[int] = []
    for line in lines:
        # Some files begin with a header line, some do not.
        if line[:1].isdigit():
            number, price, quantity, first, last, time, maker = line.decode().rstrip().split(",")
            values += (
                int(number),
                exact(price),
                exact(quantity),
                int(first),
                int(last),
                int(time),
                maker.lower() == "true",
            )
    rows = np.array(values, dtype=np.int64).reshape(-1, COLUMNS)
    if len(rows) and rows[:, 5].max() >= LATEST_MS:
        raise ValueError("its times are not milliseconds (a spot archive?)")
    return rows
