"""One body on its way to disk: hashed as it comes, under its own name only when it is all there."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import requests
import urllib3

from collectors.binance.archiveproblems import ArchiveUnreachable, FolderUnusable, GaveUp

PIECE_BYTES = 262_144
#: The largest monthly archives have about 2 GB; 16 GB are no archive.
MOST_BYTES = 16_000_000_000
#: A server that sends a byte now and then never times out; this ends it.
LONGEST_S = 3600.0


def never() -> bool:
    """The `give_up` of a caller that waits."""
    return False


def unseen(done: int, total: int) -> None:
    """The `progress` of a caller that does not look."""


class Download:
    """A draft in `folder` that becomes `folder / file` by `keep`, and is gone after the with-block otherwise.

    `answer`: an opened response with its body unread. After `run`: `size` in bytes, `sha256` in hex.
    Raises FolderUnusable, where the folder is touched.
    """

    def __init__(self, answer: requests.Response, folder: Path, file: str) -> None:
        self._answer = answer
        self._folder = folder
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, path = tempfile.mkstemp(prefix=f"{self._file}.", suffix=".draft", dir=self._folder)
        except OSError as error:
            raise folder_unusable(self._folder, error) from error
        self._draft = Path(path)
        # Unbuffered: pieces are large, and a full disk is then told by the write that met it.
        self._out = cast(BinaryIO, os.fdopen(descriptor, "wb", buffering=0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._out.close()
        self._draft.unlink(missing_ok=True)

    def run(self, progress: Callable[[int, int], None], give_up: Callable[[], bool]) -> None:
        """Read the body to its end. Raises ArchiveUnreachable when there is less or more of it than was announced."""
        announced = self._answer.headers.get("Content-Length", "")
        total = int(announced) if announced.isdecimal() else 0
        if total > MOST_BYTES:
            raise self._broken(f"it is said to have {total} bytes")
        began = time.monotonic()
        while piece := self._read():
            if give_up():
                raise GaveUp(self._file)
            self._hash.update(piece)
            self._write(piece)
            self.size += len(piece)
            if self.size > (total or MOST_BYTES):
                raise self._broken(f"more than {total or MOST_BYTES} bytes came")
            if time.monotonic() - began > LONGEST_S:
                raise self._broken(f"it was not there after {LONGEST_S:g} s")
            progress(self.size, total)

    def keep(self) -> Path:
        """Give the draft its name, in place of a file that had it."""
        path = self._folder / self._file
        try:
            # mkstemp's 0600 would hide it from the user's other accounts.
            self._draft.chmod(0o644)
            self._draft.replace(path)
        except OSError as error:
            raise folder_unusable(self._folder, error) from error
        return path

    def _read(self) -> bytes:
        """What has arrived, up to a piece; a full piece would be waited for without asking `give_up`.

        Less than was announced is a problem that urllib3 raises.
        """
        try:
            return bytes(self._answer.raw.read1(PIECE_BYTES) or b"")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(type(error).__name__) from error

    def _write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        try:
            while rest:
                rest = rest[self._out.write(rest) :]
        except OSError as error:
            raise folder_unusable(self._folder, error) from error

    def _broken(self, why: str) -> ArchiveUnreachable:
        return ArchiveUnreachable(f"The download of {self._file} broke off: {why}. Try again later.")


def folder_unusable(folder: Path, error: OSError) -> FolderUnusable:
    """The sentence for what a folder answered."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FolderUnusable(f"The disk that {folder} is on is full: free some space; the archive is fetched again.")
    return FolderUnusable(f"{folder} cannot be used for archives ({error.strerror}): choose another folder.")
