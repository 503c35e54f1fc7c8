"""`manage.py up`: the whole system against the real exchange, in one terminal."""

from __future__ import annotations

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dataprovider.clickhouse import ClickHouseError
from dataprovider.config import Config
from dataprovider.embedded import ServiceProblem, named_environment
from dataprovider.numbers import port, workers
from dataprovider.running import ChildProblem, Farm, View
from dataprovider.running.terminal import Stopped, links, stoppable

LOOK_SECONDS = 0.5


class Command(BaseCommand):
    help = (
        "Start what is not named in the settings of Postgres, Valkey and ClickHouse, then the collectors and the web, "
        "against the exchange that BINANCE_REST_URL and BINANCE_STREAM_URL name. Ctrl-C stops everything."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--workers", type=workers, help="collector processes (COLLECTOR_WORKERS)")
        parser.add_argument("--port", type=port, help="port of the web (API_PORT)")

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.CONFIG
        farm = Farm(
            config.dataprovider_home,
            config.logs_dir,
            named_environment(),
            api_host=config.api_host,
            api_port=options["port"] or config.api_port,
            workers=options["workers"] or config.collector_workers,
            say=self._say,
        )
        try:
            with stoppable():
                self._run(farm)
        except (ServiceProblem, ChildProblem, ClickHouseError) as problem:
            raise CommandError(str(problem)) from None
        except Stopped:
            self._say("Stopping everything …")
        finally:
            farm.stop()
        self._say("Stopped; the data is kept.")

    def _run(self, farm: Farm) -> None:
        farm.start_services()
        farm.start_application()
        with View("DataProvider", links(farm, to_a_person=self.stdout.isatty())) as view:
            while True:
                for event in farm.tend():
                    view.event(event)
                view.show(farm.snapshot())
                time.sleep(LOOK_SECONDS)

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
