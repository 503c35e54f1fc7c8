"""`manage.py runservices`: the embedded Postgres, Valkey and ClickHouse of this folder, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from dataprovider.config import SERVICES_FILE
from dataprovider.embedded import ServiceProblem, ServiceStack, named_environment
from dataprovider.numbers import port

CHECK_SECONDS = 0.5
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PORT_OPTIONS = {
    "postgres": "--postgres-port",
    "valkey": "--valkey-port",
    "clickhouse_native": "--clickhouse-native-port",
    "clickhouse_http": "--clickhouse-http-port",
}


class Command(BaseCommand):
    help = (
        "Starts the Postgres, Valkey and ClickHouse that come as wheels, all data in DATAPROVIDER_HOME, and keeps "
        "them running until Ctrl-C. A service that is named in the environment (DATABASE_URL, REDIS_URL, "
        "CLICKHOUSE_HOST) is not started."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        for name, option in PORT_OPTIONS.items():
            parser.add_argument(
                option, type=port, dest=name, metavar="PORT", help="default: a free one, the same at every start"
            )

    def handle(self, *args: Any, **options: Any) -> None:
        ports = {name: options[name] for name in PORT_OPTIONS if options[name]}
        try:
            self._run(ServiceStack(settings.CONFIG.dataprovider_home, environ=named_environment(), ports=ports))
        except ServiceProblem as problem:
            self.stderr.write(str(problem))
            raise SystemExit(2) from None

    def _run(self, stack: ServiceStack) -> None:
        stop = threading.Event()
        for number in STOP_SIGNALS:
            signal.signal(number, signal.default_int_handler)
        try:
            stack.start()
        except KeyboardInterrupt:
            self.stdout.write("Stopped while starting.")
            return
        for number in STOP_SIGNALS:
            signal.signal(number, lambda *_: stop.set())
        try:
            self._say_where(stack)
            while stack.services and not stop.wait(CHECK_SECONDS):
                for event in stack.check():
                    self._say(str(event))
        finally:
            if stack.services:
                self._say("Stopping the services …")
            stack.stop()
        self._say("Stopped.")

    def _say_where(self, stack: ServiceStack) -> None:
        if not stack.services:
            self._say("All three services are named in the environment: there is nothing to start.")
            return
        self._say(f"Running, with all data in {stack.home}:")
        for service in stack.services.values():
            where = ", ".join(f"127.0.0.1:{port}" for port in service.ports.values())
            self._say(f"  {service.label:<11}{where}")
        self._say(f"Other manage.py commands find them by {stack.home / SERVICES_FILE}. Ctrl-C stops them.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
