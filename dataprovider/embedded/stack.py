"""The embedded stack: the services of one DATAPROVIDER_HOME, started, watched and stopped together."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dataprovider.embedded import runas
from dataprovider.embedded.clickhouse import ClickHouse
from dataprovider.embedded.home import MINIMUM_FREE, file_problem, make_home, remove_services, write_services
from dataprovider.embedded.lock import HomeLock
from dataprovider.embedded.ports import Ports
from dataprovider.embedded.postgres import Postgres
from dataprovider.embedded.problems import ServiceProblem
from dataprovider.embedded.service import Service
from dataprovider.embedded.supervision import STOP_SECONDS, ServiceEvent, SupervisedService
from dataprovider.embedded.valkey import Valkey

#: Settings that name a port of an embedded service.
PORT_SETTINGS = {setting: name for name, setting in ClickHouse.port_settings.items()}


class ServiceStack:
    """The embedded services that nobody named in the environment.

    `home` holds all state. `environ` decides: a service whose leading variable (the keys of config.SERVICE_VARIABLES)
    is set there is external and not started. CLICKHOUSE_DATABASE, _USERNAME, _PASSWORD, _NATIVE_PORT and _HTTP_PORT
    of `environ` hold for the embedded ClickHouse too. `ports` asks for ports by name ("postgres", "valkey",
    "clickhouse_native", "clickhouse_http"); others are free ones, the same at every start while they are free.
    `nodes`: how many ClickHouse servers share the trades; what is stored stays where it is when that changes.

    All methods raise ServiceProblem when something outside the program is in the way.
    """

    def __init__(
        self,
        home: Path,
        *,
        environ: Mapping[str, str],
        ports: Mapping[str, int] | None = None,
        nodes: int = 1,
        minimum_free: int = MINIMUM_FREE,
        namespace_probe: runas.NamespaceProbe = runas.namespaces_work,
    ) -> None:
        self.home = home.absolute()
        self._minimum_free = minimum_free
        self._ports = Ports(self.home, {**_named_ports(environ), **(ports or {})})
        self._lock = HomeLock(self.home)
        self._busy = threading.RLock()
        self._owner = os.getpid()
        self._starter: ThreadPoolExecutor | None = None
        self._chosen: list[Service] = [
            service
            for service in (
                Postgres(self.home, namespace_probe=namespace_probe),
                Valkey(self.home),
                *_clickhouse_nodes(self.home, environ, nodes),
            )
            if not any(environ.get(name) for name in (service.variable, service.plural) if name)
        ]
        self.services: dict[str, SupervisedService] = {}

    def start(self) -> dict[str, str]:
        """Start everything, wait until all answer, and write services.json; the variables that are in it.

        When one does not come up the others are stopped again.
        """
        with self._busy:
            if self._starter is not None:
                raise RuntimeError("this stack is running already")
            for service in self._chosen:
                service.find()
            make_home(self.home, minimum_free=self._minimum_free)
            self._lock.take()
            try:
                self._start()
                variables = self.variables()
                write_services(self.home, variables)
            except OSError as error:
                self.stop()
                raise file_problem(error, self.home) from error
            except BaseException:
                self.stop()
                raise
            return variables

    def variables(self) -> dict[str, str]:
        """The environment variables by which the application finds the embedded services."""
        return {name: value for service in self._chosen for name, value in service.variables().items()}

    def check(self) -> list[ServiceEvent]:
        """Restart what died: same port, same data. Call it about twice a second.

        Returns what happened, for the caller to say."""
        with self._busy:
            return [event for service in self.services.values() for event in service.check()]

    def stop(self) -> None:
        """Stop everything gracefully, ClickHouse first and Postgres last, and by force what does not stop in time."""
        if os.getpid() != self._owner:
            # A forked child has the object, not the services.
            return
        with self._busy:
            for service in reversed(self.services.values()):
                service.stop(STOP_SECONDS)
            self.services = {}
            if self._starter is not None:
                self._starter.shutdown()
                self._starter = None
                remove_services(self.home)
            self._lock.release()

    def _start(self) -> None:
        # One thread that lives as long as the stack: see ServiceProcess.
        self._starter = starter = ThreadPoolExecutor(1, thread_name_prefix="embedded-services")
        self.services = {
            service.name: SupervisedService(service, home=self.home, starter=starter) for service in self._chosen
        }
        for service in self.services.values():
            service.end_leftover()
        for service in self.services.values():
            service.choose_ports(self._ports)
        if not self.services:
            return
        cancelled = threading.Event()
        with ThreadPoolExecutor(len(self.services), thread_name_prefix="bring-up") as several:
            waiting = [several.submit(service.bring_up, self._ports, cancelled) for service in self.services.values()]
            try:
                for started in waiting:
                    started.result()
            except BaseException:
                cancelled.set()
                raise


def _clickhouse_nodes(home: Path, environ: Mapping[str, str], count: int) -> list[ClickHouse]:
    nodes = [ClickHouse(home, environ, number=number) for number in range(1, count + 1)]
    for node in nodes:
        node.nodes = nodes
    return nodes


def _named_ports(environ: Mapping[str, str]) -> dict[str, int]:
    """The ports that the environment names for an embedded service."""
    found = {}
    for setting, name in PORT_SETTINGS.items():
        text = environ.get(setting) or ""
        if text:
            if not text.isdecimal() or not 0 < int(text) < 65536:
                raise ServiceProblem(f"{setting} must be a port from 1 to 65535 (it is {text!r}).")
            found[name] = int(text)
    return found
