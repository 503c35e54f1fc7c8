"""The whole system as children of one process: services first, then the collectors and the web, and back in reverse."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile

import requests
from redis import Redis
from redis.exceptions import RedisError

from dataprovider.clickhouse import Address, ClickHouse, ClickHouseError
from dataprovider.config import EXCHANGE_FILE, Config, load_config
from dataprovider.embedded import ServiceStack
from dataprovider.heartbeat import WorkerStatus, read_hosts, read_workers
from dataprovider.running.children import Child, ChildProblem, manage, run_manage
from dataprovider.running.exchange import Exchange
from dataprovider.running.view import Snapshot

WEB_SECONDS = 30.0


class Farm:
    """Everything that runs for one DATAPROVIDER_HOME. `say` gets one line per step, for people.

    Methods raise ServiceProblem or ChildProblem with a sentence for the user.
    """

    def __init__(
        self,
        home: Path,
        logs: Path,
        environ: Mapping[str, str],
        *,
        api_host: str,
        api_port: int,
        workers: int,
        nodes: int = 1,
        supervisors: int = 1,
        say: Callable[[str], None],
    ) -> None:
        self.home = home.absolute()
        self.logs = logs.absolute()
        self._environ = dict(environ)
        self.api_host = api_host
        self.api_port = api_port
        #: Of each supervisor.
        self.workers = workers
        self.supervisors = supervisors
        self._say = say
        self._stack = ServiceStack(self.home, environ=environ, nodes=nodes)
        self.exchange: Exchange | None = None
        self._children: list[Child] = []
        self.config: Config | None = None
        self._redis: Redis | None = None
        self.store: ClickHouse | None = None
        self._glance: ClickHouse | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds the web."""
        host = "127.0.0.1" if self.api_host in ("0.0.0.0", "::", "") else self.api_host
        return f"http://[{host}]:{self.api_port}" if ":" in host else f"http://{host}:{self.api_port}"

    @property
    def environ(self) -> dict[str, str]:
        """What the children see."""
        return self._environ

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each service and child that was started, by name."""
        found = {name: service.pid for name, service in self._stack.services.items()}
        found |= {child.name: child.pid for child in self._children}
        return {name: pid for name, pid in found.items() if pid is not None}

    def start_services(self) -> None:
        """Postgres, Valkey and ClickHouse, with their tables."""
        _may_listen(self.api_host, self.api_port)
        # What is in DATAPROVIDER_HOME is made with it, for its owner only.
        if not self.logs.is_relative_to(self.home):
            _may_write(self.logs)
        began = time.monotonic()
        variables = self._stack.start()
        self._environ.update(
            variables,
            DATAPROVIDER_HOME=str(self.home),
            API_HOST=self.api_host,
            API_PORT=str(self.api_port),
            LOGS_DIR=str(self.logs),
            LOG_TO="files",
            PYTHONUNBUFFERED="1",
        )
        names = (
            ", ".join(service.label for service in self._stack.services.values()) or "the services named in settings"
        )
        self._say(f"Started {names} ({time.monotonic() - began:.1f} s).")
        began = time.monotonic()
        run_manage(self._environ, "prepare")
        self._say(f"Tables are up to date ({time.monotonic() - began:.1f} s).")
        self.config = load_config(self._environ, self.home)
        self._redis = Redis.from_url(self.config.redis_url, socket_timeout=2.0, socket_connect_timeout=2.0)
        address = Address.of_nodes(self.config)
        self.store = ClickHouse(address, pool_size=2)
        # A table on a screen does not wait for a server that hangs.
        self._glance = ClickHouse(address, pool_size=1, connect_timeout=0.5, timeout=1.0)

    def start_exchange(self, arguments: list[str]) -> Exchange:
        """The simulator, in place of the real exchange."""
        self.exchange = Exchange(arguments, self._environ, self.logs / "exchange.log")
        self.exchange.start()
        self._environ.update(self.exchange.variables)
        (self.home / EXCHANGE_FILE).write_text(json.dumps(self.exchange.variables))
        self._say(f"Started an exchange with {self.exchange.symbols} symbols at {self.exchange.url}.")
        return self.exchange

    def start_application(self) -> None:
        """The collectors and the web."""
        collectors = [self._collectors(number) for number in range(1, self.supervisors + 1)]
        # Requests are in the log of the web (api.access): daphne need not write them down a second time.
        daphne = [sys.executable, "-m", "daphne", "-v", "0", "-b", self.api_host, "-p", str(self.api_port)]
        web = Child("web", [*daphne, "dataprovider.asgi:application"], self._environ, self.logs / "web.log")
        for child in (*collectors, web):
            child.start()
            self._children.append(child)
        self._wait_for_web(web)
        self._say(f"Serving at {self.url} ({self.workers * self.supervisors} workers collect).")

    def _collectors(self, number: int) -> Child:
        """A supervisor with its workers; each but the first as on a host of its own, with its own folders."""
        command = manage("runcollectors", "--workers", str(self.workers))
        if number == 1:
            return Child("collectors", command, self._environ, self.logs / "collectors.log")
        name = f"collectors-{number}"
        logs = self.logs / name
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        environ = {**self._environ, "DATAPROVIDER_HOME": str(self.home / name), "LOGS_DIR": str(logs)}
        return Child(name, command, environ, logs / "collectors.log")

    def tend(self) -> list[str]:
        """Restart what died; a line for each thing that happened. Call it about twice a second."""
        happened = [str(event) for event in self._stack.check()]
        for child in self._children:
            if child.restart_if_dead(time.monotonic()):
                happened.append(f"The {child.name} process ended and was started again; its log is {child.log}.")
        return happened

    def statuses(self) -> list[WorkerStatus]:
        """What the workers said last; none while Valkey is away."""
        assert self._redis is not None
        try:
            return read_workers(self._redis)
        except RedisError:
            return []

    def wanted_symbols(self) -> int:
        """How many symbols the supervisor has told its workers to collect; 0 while that is not known."""
        assert self._redis is not None
        try:
            hosts = read_hosts(self._redis)
            return sum(host.symbols for host in hosts) if all(host.synced for host in hosts) else 0
        except RedisError:
            return 0

    def snapshot(self, *, sent: int | None = None, left_seconds: float | None = None) -> Snapshot:
        """The system at this moment, for the view; what is away is left open."""
        assert self._redis is not None
        assert self._glance is not None
        try:
            hosts = read_hosts(self._redis)
        except RedisError:
            hosts = []
        open_gaps = max((host.open_gaps for host in hosts), default=None)
        problems = [host.problem for host in hosts if host.problem]
        try:
            stored: int | None = int(self._glance.query("total_rows")[0][0])
        except ClickHouseError as error:
            stored = None
            problems.append(str(error))
        listed = self.exchange.symbols if self.exchange is not None else None
        return Snapshot(self.statuses(), stored, open_gaps, listed, sent, left_seconds, problems)

    def stop_collectors(self) -> None:
        """Drain and stop the collectors alone."""
        collectors = [child for child in self._children if child.name.startswith("collectors")]
        for child in collectors:
            self._children.remove(child)
            child.stop()

    def stop(self) -> None:
        """Everything, in order: the collectors drain while what they write to still runs."""
        if self.exchange is not None and self.exchange.child.alive:
            try:
                self.exchange.stop_market()
            except requests.RequestException:
                self._say("The exchange did not answer; it is stopped all the same.")
        self.stop_collectors()
        for child in self._children:
            child.stop()
        self._children.clear()
        if self.exchange is not None:
            (self.home / EXCHANGE_FILE).unlink(missing_ok=True)
            self.exchange.child.stop()
        for client in (self.store, self._glance):
            if client is not None:
                client.close()
        self._stack.stop()

    def _wait_for_web(self, web: Child) -> None:
        deadline = time.monotonic() + WEB_SECONDS
        while time.monotonic() < deadline:
            if not web.alive:
                raise web.problem("The web process did not start.")
            try:
                requests.get(f"{self.url}/api/v1/monitoring/health", timeout=3)
            except requests.RequestException:
                time.sleep(0.1)
            else:
                return
        raise web.problem(f"The web process did not answer within {WEB_SECONDS:g} s.")


def _may_listen(host: str, port: int) -> None:
    """Raises ChildProblem when the web could not be served there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ChildProblem(_why_not(host, port, error)) from None


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken: stop what listens there, or choose another with API_PORT (or --port)."
    if error.errno == errno.EACCES:
        return f"Port {port} needs root: choose one from 1024 on with API_PORT (or --port)."
    return f"API_HOST: {host} is not an address of this machine ({error.strerror or error}): 127.0.0.1 serves it alone."


def _may_write(folder: Path) -> None:
    """Raises ChildProblem when logs cannot be kept there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = f"LOGS_DIR: {folder} cannot be written ({error.strerror})"
        raise ChildProblem(f"{reason}: choose another folder, or change its owner.") from None
