"""DATAPROVIDER_HOME: the one folder with all state, its room on the disk, and the address file of a running stack."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from dataprovider.config import SERVICES_FILE
from dataprovider.embedded.problems import ServiceProblem

#: Less free room than this and nothing is started, bytes: first start needs about half of it.
MINIMUM_FREE = 200_000_000
NEXT_TO_NOTHING = 1_000_000
#: What Postgres, Valkey and ClickHouse write to their logs when errno is ENOSPC.
DISK_FULL = os.strerror(errno.ENOSPC)


def disk_full(home: Path) -> str:
    """The sentence for a full disk."""
    return (
        f"The disk with {home} is full: free some space (at least {MINIMUM_FREE // 1_000_000} MB), or set "
        "DATAPROVIDER_HOME to a folder on another disk, and start again; nothing that was acknowledged is lost."
    )


def is_full(home: Path) -> bool:
    """Whether next to nothing is free."""
    return shutil.disk_usage(home).free < NEXT_TO_NOTHING


def file_problem(error: OSError, home: Path) -> ServiceProblem:
    """The sentence for a folder or file that could not be made or written."""
    if error.errno == errno.ENOSPC:
        return ServiceProblem(disk_full(home))
    return ServiceProblem(
        f"The folder {home} cannot be used ({error.filename or home}: {error.strerror}): "
        "make it writable for this user, or set DATAPROVIDER_HOME to another folder."
    )


def make_home(home: Path, *, minimum_free: int = MINIMUM_FREE) -> None:
    """Make the folder and what is always in it, for its owner only.

    Raises ServiceProblem when it cannot be made or written, or less than `minimum_free` bytes are free.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("logs", "run", "secrets"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
        trial = home / "run" / f".trial.{os.getpid()}"
        trial.touch()
        trial.unlink()
        free = shutil.disk_usage(home).free
    except OSError as error:
        raise file_problem(error, home) from error
    if free < minimum_free:
        raise ServiceProblem(disk_full(home))


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone can read, whole or not at all."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(text)
    draft.replace(file)


def write_services(home: Path, variables: Mapping[str, str]) -> None:
    """Write the addresses of the running stack, for processes that have the same DATAPROVIDER_HOME."""
    write_private(home / SERVICES_FILE, json.dumps(dict(variables), indent=2))


def remove_services(home: Path) -> None:
    """Remove the address file."""
    (home / SERVICES_FILE).unlink(missing_ok=True)
