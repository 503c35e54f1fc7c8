"""`manage.py demo`: the whole system against a simulated exchange, with a verdict at the end."""

from __future__ import annotations

import json
import signal
import time
from argparse import ArgumentParser
from types import FrameType
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from dataprovider.clickhouse import ClickHouseError
from dataprovider.config import SERVICE_VARIABLES, Config
from dataprovider.embedded import ServiceProblem, named_environment
from dataprovider.management.commands.prepare import ADMIN_NAME, ADMIN_PASSWORD_FILE
from dataprovider.numbers import positive
from dataprovider.running import ChildProblem, Farm, View
from dataprovider.running.children import run_manage
from dataprovider.running.exchange import Exchange
from dataprovider.running.result import DemoResult, compare
from dataprovider.running.view import Snapshot

LOOK_SECONDS = 0.5
SUBSCRIBE_SECONDS = 60.0
#: How long after the exchange stopped the last trades may need to be stored, counted from the last progress.
SETTLE_SECONDS = 45.0


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


class Command(BaseCommand):
    help = (
        "Start Postgres, Valkey, ClickHouse, a simulated exchange, the collectors and the web in one terminal. "
        "Data stays in <DATAPROVIDER_HOME>/demo, apart from real data. Ctrl-C stops everything."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--symbols", default="300", help="how many made-up contracts, or a saved exchangeInfo answer")
        parser.add_argument("--rate", type=positive, default=2000, help="made-up trades a second over all symbols")
        parser.add_argument("--seed", type=int, default=1, help="one seed gives one run")
        parser.add_argument("--archive-dir", help="replay the archives below this folder instead of made-up trades")
        parser.add_argument("--replay-speed", type=float, default=60.0, help="how many times faster than it was")
        parser.add_argument("--workers", type=positive, help="collector processes (COLLECTOR_WORKERS)")
        parser.add_argument("--seconds", type=positive, help="stop the exchange after so long, drain, and give a verdict")
        parser.add_argument("--json", action="store_true", help="nothing but the verdict on standard output")
        parser.add_argument("--port", type=positive, help="port of the web (API_PORT)")

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.CONFIG
        # Made-up trades never go where real ones may be: a demo has services and a folder of its own.
        external = {name for names in SERVICE_VARIABLES.values() for name in names}
        environ = {key: value for key, value in named_environment().items() if key not in external}
        home = config.dataprovider_home / "demo"
        farm = Farm(
            home,
            home / "logs",
            {**environ, **dict.fromkeys(external & set(named_environment()), "")},
            api_host=config.api_host,
            api_port=options["port"] or config.api_port,
            workers=options["workers"] or config.collector_workers,
            say=self._say if not options["json"] else self.stderr.write,
        )
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)
        try:
            result = self._run(farm, options)
        except (ServiceProblem, ChildProblem, ClickHouseError) as problem:
            raise CommandError(str(problem)) from None
        except Stopped:
            result = None
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            self._say_quietly(options, "Stopping everything …")
            farm.stop()
        self._say_quietly(options, "Stopped; the data is kept.")
        if result is not None:
            self.stdout.write(json.dumps(result.as_dict()))
            if not result.is_clean:
                raise SystemExit(1)

    def _run(self, farm: Farm, options: dict[str, Any]) -> DemoResult | None:
        farm.start_services()
        exchange = farm.start_exchange(_exchange_arguments(farm, options))
        farm.start_application()
        password = (farm.home / ADMIN_PASSWORD_FILE).read_text()
        view = View(
            "DataProvider demo: a simulated exchange",
            {
                "candles": f"{farm.url}/api/v1/data/klines/BTCUSDT?timeframe=1",
                "API": f"{farm.url}/api/v1/docs",
                "admin": f"{farm.url}/admin/",
                "login": f"{ADMIN_NAME} / {password}"
                if self.stdout.isatty()
                else f"{ADMIN_NAME}, password in {farm.home / ADMIN_PASSWORD_FILE}",
            },
        )
        if options["json"]:
            view.console.file = self.stderr._out  # type: ignore[attr-defined]
        with view:
            self._until_subscribed(farm, exchange, view)
            exchange.start_market()
            began = time.monotonic()
            ends = began + options["seconds"] if options["seconds"] else None
            while ends is None or time.monotonic() < ends:
                left = None if ends is None else ends - time.monotonic()
                state = self._look(farm, exchange, view, left=left)
                if ends is not None and state.get("finished"):
                    break
            if ends is None:
                return None
            exchange.stop_market()
            seconds = time.monotonic() - began
            view.event("The exchange stopped; waiting until everything is stored.")
            self._until_stored(farm, exchange, view)
        farm.stop_collectors()
        sent = exchange.sent()
        gaps = json.loads(run_manage(farm.environ, "gaps", "--json"))
        assert farm.store is not None
        return compare(farm.store, sent, gaps, workers=farm.workers, seconds=seconds)

    def _look(self, farm: Farm, exchange: Exchange, view: View, *, left: float | None = None) -> dict[str, Any]:
        """One round: mend, show, wait a moment; the exchange's state."""
        for event in farm.tend():
            view.event(event)
        try:
            state = exchange.state()
        except requests.RequestException:
            state = {}
            if not exchange.child.alive:
                raise exchange.child.problem("The exchange simulator ended.") from None
        snapshot = Snapshot(farm.statuses(), _stored(farm), exchange.symbols, state.get("sent"), left)
        view.show(snapshot)
        time.sleep(LOOK_SECONDS)
        return state

    def _until_subscribed(self, farm: Farm, exchange: Exchange, view: View) -> None:
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        while time.monotonic() < deadline:
            statuses = farm.statuses()
            wanted = sum(status.symbols for status in statuses)
            shards = sum(len(status.shards) for status in statuses)
            if shards == 16 and wanted and sum(status.subscribed for status in statuses) == wanted:
                return
            self._look(farm, exchange, view)
        view.event("Not every symbol is subscribed yet; the market opens all the same.")

    def _until_stored(self, farm: Farm, exchange: Exchange, view: View) -> None:
        """Wait until the workers hold nothing back, or nothing has moved for a while."""
        seen, deadline = -1, time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self._look(farm, exchange, view)
            statuses = farm.statuses()
            waiting = sum(status.buffered_rows + status.spooled_batches for status in statuses)
            received = sum(status.received for status in statuses)
            if statuses and waiting == 0 and received == seen:
                return
            if received != seen or _stored(farm) is None:
                deadline = time.monotonic() + SETTLE_SECONDS
            seen = received

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _say_quietly(self, options: dict[str, Any], line: str) -> None:
        (self.stderr if options["json"] else self.stdout).write(line)


def _exchange_arguments(farm: Farm, options: dict[str, Any]) -> list[str]:
    arguments = ["--port", "0", "--paused", "--state-dir", str(farm.home / "exchange")]
    if options["archive_dir"]:
        return [*arguments, "--archive-dir", options["archive_dir"], "--replay-speed", str(options["replay_speed"])]
    return [
        *arguments,
        *("--symbols", options["symbols"], "--rate", str(options["rate"]), "--seed", str(options["seed"])),
    ]


def _stored(farm: Farm) -> int | None:
    assert farm.store is not None
    try:
        return int(farm.store.query("total_rows")[0][0])
    except ClickHouseError:
        return None


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped
