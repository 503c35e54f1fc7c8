"""What can go wrong with an archive: each problem says in a sentence what happened and what follows."""

from __future__ import annotations

from typing import Literal


class ArchiveProblem(Exception):
    """An archive could not be had or not be read; `str()` is a sentence."""


class ArchiveMissing(ArchiveProblem):
    """The exchange does not have it (404). `what`: "archive", or "checksum" when only that is not there."""

    def __init__(self, file: str, what: Literal["archive", "checksum"]) -> None:
        self.what = what
        subject = file if what == "archive" else f"The checksum of {file}"
        super().__init__(f"{subject} is not published (404): it may come later, or never.")


class ArchiveUnchanged(ArchiveProblem):
    """It is still the file with the ETag that is known."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} is the same as when it was last looked at.")


class ChecksumWrong(ArchiveProblem):
    """The file is not what its checksum says. `etag` tells a later, better one from this one.

    `expected`: the SHA-256 (hex) that was published, or the beginning of what stands in its place; `got`: the file's,
    empty when the file was not read because the checksum is none.
    """

    def __init__(self, file: str, etag: str, expected: str, got: str) -> None:
        self.etag = etag
        self.expected = expected
        self.got = got
        if got:
            text = f"{file} does not match its checksum (published {expected[:12]}…, found {got[:12]}…)"
        else:
            text = f"The checksum of {file} is not a SHA-256 but {expected!r}"
        super().__init__(f"{text}: look again when the exchange has replaced it.")


class ArchiveUnreachable(ArchiveProblem):
    """The exchange's archive does not answer, says no, or broke off: try again later."""


class ArchiveUnreadable(ArchiveProblem):
    """The file arrived as published and cannot be used. `reason` is a clause; `line` is its line (from 1), if known."""

    def __init__(self, file: str, reason: str, line: int | None = None) -> None:
        self.reason = reason
        self.line = line
        where = f"line {line}: " if line is not None else ""
        super().__init__(f"{file} cannot be used: {where}{reason}.")


class FolderUnusable(ArchiveProblem):
    """The disk is full, or the folder for archives cannot be written."""


class GaveUp(ArchiveProblem):
    """`give_up` said so."""

    def __init__(self, file: str) -> None:
        super().__init__(f"{file} was given up because something else was wanted.")
