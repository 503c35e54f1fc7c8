"""As whom Postgres runs: it refuses to be root, and in a container everybody is."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dataprovider.embedded.problems import ServiceProblem

#: A user namespace in which root has another number: files stay root's, and Postgres sees a user it accepts.
NAMESPACE = ("--user", "--map-user=1000", "--map-group=1000")
PROBE_SECONDS = 10.0

#: Whether a program can be run in such a namespace here.
NamespaceProbe = Callable[[Path], bool]


@dataclass(frozen=True)
class RunAs:
    """How a program is started so that it is not root."""

    prefix: tuple[str, ...] = ()
    #: User and group id to become; None: stay.
    user: tuple[int, int] | None = None

    @property
    def owner(self) -> int:
        """The user id that must own the program's files."""
        return self.user[0] if self.user else os.geteuid()


def namespaces_work(program: Path) -> bool:
    """Whether `program --version` runs in a user namespace."""
    unshare = shutil.which("unshare")
    return unshare is not None and _succeeds([unshare, *NAMESPACE, str(program), "--version"])


def choose(program: Path, folder: Path, probe: NamespaceProbe) -> RunAs:
    """Who runs `program` with its files in `folder` (which exists).

    An ordinary user stays who it is; root goes into a user namespace where that works, and else becomes `nobody`.
    Raises ServiceProblem when root can do neither.
    """
    if os.geteuid() != 0:
        return RunAs()
    if probe(program):
        return RunAs(prefix=(shutil.which("unshare") or "unshare", *NAMESPACE))
    return RunAs(user=_nobody(program, folder))


def own(folder: Path, run_as: RunAs) -> None:
    """Make `folder` and everything in it belong to who runs the program now: it may have been another last time."""
    if os.geteuid() != 0 or folder.stat().st_uid == run_as.owner:
        return
    group = run_as.user[1] if run_as.user else os.getegid()
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            os.chown(Path(parent) / name, run_as.owner, group, follow_symlinks=False)
    # Last, so that an interrupted change is begun again.
    os.chown(folder, run_as.owner, group)


def _nobody(program: Path, folder: Path) -> tuple[int, int]:
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise ServiceProblem(_sentence("there is no user `nobody`", "")) from None
    user = (entry.pw_uid, entry.pw_gid)
    if not _succeeds([str(program), "--version"], user=user):
        raise ServiceProblem(
            _sentence(
                f"the user `nobody` may not run {program}",
                "make the virtual environment in a folder that every user can enter, ",
            )
        )
    # `folder` itself is given to nobody later; what counts is the way to it.
    home = folder.parent
    if not _succeeds(["/bin/sh", "-c", 'cd "$1"', "sh", str(home.parent)], user=user):
        raise ServiceProblem(
            _sentence(
                f"the user `nobody` may not enter {home.parent}",
                "set DATAPROVIDER_HOME to a folder that every user can enter, such as /var/lib/dataprovider, ",
            )
        )
    home.chmod(stat.S_IMODE(home.stat().st_mode) | stat.S_IXOTH)
    return user


def _sentence(why: str, remedy: str) -> str:
    return (
        "Postgres refuses to run as root, this machine does not let root make user namespaces, "
        f"and {why}: {remedy}run DataProvider as an ordinary user, or set DATABASE_URL to a Postgres that is already "
        "running."
    )


def _succeeds(command: list[str], *, user: tuple[int, int] | None = None) -> bool:
    try:
        return (
            subprocess.run(
                command,
                cwd="/",
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
                user=user[0] if user else None,
                group=user[1] if user else None,
                extra_groups=[] if user else None,
            ).returncode
            == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False
