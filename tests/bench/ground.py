"""What figures are measured on: an embedded stack in a temporary folder, and the processes of the system beside it."""

from __future__ import annotations

import io
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import requests
from redis import Redis

from dataprovider.clickhouse import Address, ClickHouse, ClickHouseError
from dataprovider.config import Config, load_config
from dataprovider.embedded import ServiceStack
from dataprovider.heartbeat import WorkerStatus, read_hosts, read_workers
from dataprovider.running.children import Child, ChildProblem, manage
from dataprovider.running.exchange import Exchange
from tests.waiting import wait_until

#: Less free disk than this, and a run is not begun: (quick, full) in bytes.
DISK = (2_000_000_000, 12_000_000_000)
#: Nobody is refused for asking quickly, and nothing runs beside what is measured.
UNLIMITED = {
    "RATE_LIMIT_PER_MINUTE": "0",
    "WEBSOCKET_CONNECTIONS_PER_IP": "100000",
    "RECOVERY_WORKERS": "0",
    "ENABLE_INTEGRITY_CHECKS": "false",
}


class Filled(Protocol):
    """What the tables are filled with."""

    def let_go(self) -> None:
        """Close what is open for it; the trades stay."""


class Ground:
    """A running stack. `quick`: smaller counts, shorter runs. `store`: the product's table, migrated."""

    def __init__(self, *, quick: bool) -> None:
        self.quick = quick
        self.home = Path(tempfile.mkdtemp(prefix="dataprovider-bench-"))
        self._owner = os.getpid()
        self._stack = ServiceStack(self.home, environ={}, minimum_free=DISK[0 if quick else 1])
        self._children: list[Child] = []
        self._numbers = 0
        self._web: Child | None = None
        self._web_url = ""
        #: What the product's table was filled with, for figures that share it (tests.bench.history).
        self.filled: Filled | None = None

    def start(self) -> None:
        """Start the services and make the tables; from here on Django's settings are those of this stack."""
        # It tells of every connection that is refused, with a traceback: growth kills its server on purpose.
        logging.getLogger("clickhouse_driver").setLevel(logging.CRITICAL)
        # An empty variable counts as not set, and hides what `.env` and the environment say.
        os.environ.update({name.upper(): "" for name in Config.model_fields})
        os.environ.update(
            self._stack.start(), DATAPROVIDER_HOME=str(self.home), LOGS_DIR=str(self.home / "logs"), LOG_TO="files"
        )
        os.environ.update(UNLIMITED, DJANGO_SETTINGS_MODULE="dataprovider.settings")
        # Django reads its settings now: they are those of this stack. A process of its own would take a second longer.
        import django
        from django.core.management import call_command

        django.setup()
        call_command("prepare", stdout=io.StringIO())
        self.config = load_config(os.environ, self.home)
        self.address = Address.of_nodes(self.config)[0]
        self.store = ClickHouse(self.address, pool_size=4, timeout=600.0)
        self.redis = Redis.from_url(self.config.redis_url)

    def stop(self) -> None:
        """End everything that was started, and leave nothing."""
        if os.getpid() != self._owner:
            return
        for child in reversed(self._children):
            child.stop()
        # ClickHouse waits five seconds for whoever is still connected.
        self._let_go()
        if hasattr(self, "store"):
            self.store.close()
            self.redis.close()
        self._stack.stop()
        shutil.rmtree(self.home, ignore_errors=True)

    def choose(self, quick: Any, full: Any) -> Any:
        """`quick` in a quick run, else `full`."""
        return quick if self.quick else full

    def say(self, text: str) -> None:
        """Progress, for people."""
        sys.stderr.write(f"  {text}\n")
        sys.stderr.flush()

    def empty(self) -> None:
        """Forget every stored trade."""
        self._let_go()
        self.store.run_text("TRUNCATE TABLE trades_local")

    def _let_go(self) -> None:
        if self.filled is not None:
            self.filled.let_go()
            self.filled = None

    def restart(self, name: str) -> float:
        """Kill a service as in a crash; seconds until it answers again."""
        service = self._stack.services[name]
        assert service.pid is not None
        began = time.monotonic()
        os.kill(service.pid, signal.SIGKILL)
        while not any(event.what in ("restarted", "back") for event in self._stack.check()):
            time.sleep(0.02)
        wait_until(self._is_answering, 120, f"{name} to answer")
        return time.monotonic() - began

    def _is_answering(self) -> bool:
        try:
            return bool(self.store.query("total_rows"))
        except ClickHouseError:
            return False

    @contextmanager
    def exchange(self, **options: object) -> Iterator[Exchange]:
        """A simulated exchange whose market waits for start_market()."""
        arguments = [str(part) for name, value in options.items() for part in (f"--{name.replace('_', '-')}", value)]
        exchange = Exchange([*arguments, "--paused"], os.environ, self._log("exchange"))
        with self.running(exchange.child):
            exchange.start()
            yield exchange

    @contextmanager
    def collectors(self, exchange: Exchange, workers: int) -> Iterator[None]:
        """`manage.py runcollectors`, every symbol subscribed."""
        # Each exchange counts the weight of its own callers.
        environ = {**os.environ, **exchange.variables, "EGRESS_NAME": f"bench-{self._numbers}"}
        child = Child(
            "collectors", manage("runcollectors", "--workers", str(workers)), environ, self._log("collectors")
        )
        with self.running(child):
            child.start()
            self.collecting = child
            self._while(child, self._is_subscribed, "to subscribe")
            yield

    def start_web(self) -> None:
        """Start one daphne, if it is not there yet, without waiting for it; it is idle while nobody asks."""
        if self._web is not None:
            return
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._web_url = f"http://127.0.0.1:{port}"
        environ = {**os.environ, "API_PORT": str(port)}
        daphne = [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port)]
        self._web = child = Child("web", [*daphne, "dataprovider.asgi:application"], environ, self._log("web"))
        self._children.append(child)
        child.start()

    def web(self) -> str:
        """The URL of the daphne, which answers."""
        self.start_web()
        assert self._web is not None
        self._while(self._web, lambda: _answers(self._web_url), "to answer")
        return self._web_url

    def workers(self) -> list[WorkerStatus]:
        """What the workers of the running collectors said last."""
        pid = str(self.collecting.pid)
        return [each for each in read_workers(self.redis) if each.owner.split(":")[1] == pid]

    def _is_subscribed(self) -> bool:
        hosts = [each for each in read_hosts(self.redis) if each.pid == self.collecting.pid]
        wanted = sum(host.symbols for host in hosts if host.synced)
        return 0 < wanted == sum(each.subscribed for each in self.workers())

    def _while(self, child: Child, ready: Callable[[], bool], what: str) -> None:
        def looked() -> bool:
            if not child.alive:
                raise child.problem(f"The {child.name} process ended.")
            return ready()

        wait_until(looked, 60, f"the {child.name} process {what}")

    @contextmanager
    def running(self, child: Child) -> Iterator[None]:
        """Ended when the block is left, and when the bench is stopped."""
        self._children.append(child)
        try:
            yield
        finally:
            child.stop()
            self._children.remove(child)

    def _log(self, name: str) -> Path:
        self._numbers += 1
        return self.home / "logs" / f"{name}-{self._numbers}.log"


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/api/v1/monitoring/health", timeout=3).ok
    except requests.RequestException:
        return False


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


__all__ = ["ChildProblem", "Ground", "timed"]
