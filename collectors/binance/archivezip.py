"""The one CSV inside an archive, in blocks of whole lines; for a zip that may be anything."""

from __future__ import annotations

import errno
import io
import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from collectors.binance.archivedownload import folder_unusable
from collectors.binance.archivename import ArchiveName
from collectors.binance.archiveproblems import ArchiveUnreadable, GaveUp

#: Bytes of CSV in a block, and what no line is as long as.
BLOCK_BYTES = 4_000_000
#: CSV shrinks to a fifth in a zip, to a tenth when every row is there twice; a zip that claims more is a bomb.
MOST_RATIO = 100
#: The busiest month has about 8 GB of CSV.
MOST_BYTES = 64_000_000_000
#: Too small to do harm, whatever its ratio.
SMALL_BYTES = 16_000_000
#: A zip with one file in it has a directory of 200 bytes, and all that is read while it is opened fits in here.
MOST_DIRECTORY_BYTES = 100_000
#: Whatever a zip that is broken, or made to break its reader, ends in.
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_MEMBER = re.compile(r"(?P<symbol>.+)-aggTrades-(?P<date>\d{4}-\d\d(?:-\d\d)?)\.csv")
#: What the exchange appends to the name of a contract whose ticker is used again.
_SETTLED = "SETTLED"

logger = logging.getLogger(__name__)


def read_blocks(path: Path, name: ArchiveName, give_up: Callable[[], bool]) -> Iterator[bytes]:
    """The CSV of the archive at `path`, in blocks of whole lines (only the very last may lack its end).

    Raises ArchiveUnreadable: not a zip, not exactly one CSV in it, another archive's, one that would grow beyond all
    measure, broken (its checksum is compared at the end), empty, or with a line longer than a block. FolderUnusable
    when the file cannot be opened; GaveUp.
    """
    with _problems_named(path, name):
        file = _Zip(path)
    with file:
        with _problems_named(path, name):
            archive = zipfile.ZipFile(file)
        file.is_opened = True
        member = _member(archive, name, file.size)
        with _problems_named(path, name):
            opened = archive.open(member)
        with opened:
            yield from _lines(opened, path, name, give_up)


class _Zip(io.FileIO):
    """A zip whose directory, which the reader of zips takes into memory, is not let grow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.size = path.stat().st_size
        self.is_opened = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.is_opened:
            return super().read(-1 if size is None else size) or b""
        wanted = MOST_DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        if wanted > MOST_DIRECTORY_BYTES + 1:
            raise zipfile.BadZipFile(f"its directory is said to have {wanted} bytes")
        return super().read(wanted) or b""


@contextmanager
def _problems_named(path: Path, name: ArchiveName) -> Iterator[None]:
    """Whatever the reader of zips raises becomes an ArchiveProblem."""
    try:
        yield
    except OSError as error:
        # A broken zip has it look before the file's beginning.
        if error.errno != errno.EINVAL:
            raise folder_unusable(path, error) from error
        raise ArchiveUnreadable(name.file, "its zip points outside itself") from error
    except _BROKEN as error:
        raise ArchiveUnreadable(name.file, f"its zip is broken ({error})") from error


def _member(archive: zipfile.ZipFile, name: ArchiveName, size: int) -> zipfile.ZipInfo:
    members = archive.infolist()
    if len(members) != 1 or not members[0].filename.endswith(".csv"):
        shown = ", ".join(_shown(member) for member in members[:3]) or "nothing"
        raise ArchiveUnreadable(name.file, f"it should hold one CSV and holds {shown}")
    member = members[0]
    expected = name.file.removesuffix(".zip") + ".csv"
    if member.filename != expected:
        said = _MEMBER.fullmatch(member.filename.rpartition("/")[2])
        if said and (
            said["symbol"] not in (name.symbol, name.symbol.removesuffix(_SETTLED)) or said["date"] != name.date
        ):
            raise ArchiveUnreadable(name.file, f"it holds another archive's {_shown(member)}")
        logger.warning("%s holds %s, not %s; it is read all the same.", name.file, _shown(member), expected)
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ArchiveUnreadable(name.file, f"its compression {member.compress_type} is not one the exchange uses")
    if member.compress_size > size:
        raise ArchiveUnreadable(name.file, "its zip is broken (what it holds is said to be longer than itself)")
    large = member.file_size > SMALL_BYTES and member.file_size > MOST_RATIO * member.compress_size
    if large or member.file_size > MOST_BYTES:
        sizes = f"{member.compress_size} bytes would become {member.file_size}"
        raise ArchiveUnreadable(name.file, f"{sizes}, which no trades do")
    return member


def _shown(member: zipfile.ZipInfo) -> str:
    """Its name, which may be 65,535 of any characters."""
    text = member.filename if len(member.filename) <= 100 else f"{member.filename[:100]}…"
    return text if text.isprintable() else repr(text)


def _lines(opened: IO[bytes], path: Path, name: ArchiveName, give_up: Callable[[], bool]) -> Iterator[bytes]:
    rest = b""
    size = 0
    while True:
        if give_up():
            raise GaveUp(name.file)
        with _problems_named(path, name):
            data = opened.read(BLOCK_BYTES)
        if not data:
            break
        size += len(data)
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        elif len(rest) + len(data) <= BLOCK_BYTES:
            rest += data
        else:
            raise ArchiveUnreadable(name.file, f"a line of its CSV has more than {BLOCK_BYTES} bytes")
    if rest:
        yield rest
    if not size:
        raise ArchiveUnreadable(name.file, "its CSV is empty")
