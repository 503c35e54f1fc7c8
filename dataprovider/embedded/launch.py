"""Becomes a service's own process: run as a file by the Python that runs the stack, it imports nothing of the project.

    launch.py PARENT_PID DEATH_SIGNAL UID GID COMMAND...

It changes to user UID and group GID (-1: stays who it is), asks the kernel to send DEATH_SIGNAL when its parent
dies, however that happens, and then replaces itself with COMMAND. The order matters: changing the user forgets the
death signal, replacing the program does not (man 2 PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, death_signal, user, group = map(int, arguments[:4])
    command = arguments[4:]
    if user >= 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    os.umask(0o077)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        # The parent died before the kernel was asked.
        sys.exit(1)
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
