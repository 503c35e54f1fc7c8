"""Which TCP ports the embedded services listen on.

A port that was chosen once is remembered in DATAPROVIDER_HOME and used again while it is free, so that clients find
the services again after a restart.
"""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from dataprovider.embedded.problems import ServiceProblem

LOOPBACK = "127.0.0.1"
PORTS_FILE = "ports.json"
#: Below the ports the kernel hands out to outgoing connections: a client that keeps trying to reach a stopped service
#: could otherwise be given the service's own port, and connect to itself.
LOWEST_PORT = 15_000
KERNEL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
USUAL_FIRST_KERNEL_PORT = 32_768


def is_free(port: int) -> bool:
    """Whether a service could listen on `port` of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def accepts(port: int, *, timeout: float = 0.5) -> bool:
    """Whether something accepts connections on `port` of the loopback address."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout):
            return True
    except OSError:
        return False


class Ports:
    """The ports of one stack, by name ("postgres", "valkey", "clickhouse_native", "clickhouse_http")."""

    def __init__(self, home: Path, wanted: Mapping[str, int]) -> None:
        self._file = home / PORTS_FILE
        self._wanted = dict(wanted)

    def choose(self, name: str, *, setting: str) -> int:
        """The port for `name`: the wanted one, else the remembered one if free, else a new free one.

        `setting` says in the sentence where a wanted port can be changed.
        Raises ServiceProblem when the wanted port is taken.
        """
        wanted = self._wanted.get(name)
        if wanted:
            if not is_free(wanted):
                raise ServiceProblem(
                    f"Port {wanted} is taken by another program: stop that program, or change {setting} "
                    "to a free port (left out, a free one is chosen)."
                )
            return wanted
        remembered = self._remembered()
        port = remembered.get(name)
        if port is None or not is_free(port):
            port = _free_port(exclude=set(remembered.values()) | set(self._wanted.values()))
            self._remember({**remembered, name: port})
        return port

    def may_change(self, name: str) -> bool:
        """Whether another port may be chosen for `name`."""
        return not self._wanted.get(name)

    def _remembered(self) -> dict[str, int]:
        try:
            found = json.loads(self._file.read_text())
        except (OSError, ValueError):
            return {}
        if not isinstance(found, dict):
            return {}
        return {str(name): port for name, port in found.items() if isinstance(port, int) and 0 < port < 65536}

    def _remember(self, ports: Mapping[str, int]) -> None:
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        draft.write_text(json.dumps(ports))
        draft.replace(self._file)


def _free_port(*, exclude: set[int]) -> int:
    chooser = random.SystemRandom()
    for _ in range(200):
        port = chooser.randrange(LOWEST_PORT, max(LOWEST_PORT + 1000, _first_kernel_port()))
        if port not in exclude and is_free(port):
            return port
    raise ServiceProblem("No free port was found for an embedded service: stop programs that listen on many ports.")


def _first_kernel_port() -> int:
    try:
        return int(KERNEL_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return USUAL_FIRST_KERNEL_PORT
