"""`manage.py demo`: the whole system against a simulated exchange, with a verdict at the end."""

from __future__ import annotations

import hashlib
import json
import time
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from dataprovider.clickhouse import ClickHouseError
from dataprovider.config import SERVICE_VARIABLES, Config
from dataprovider.embedded import ServiceProblem, named_environment
from dataprovider.numbers import nodes, port, positive, workers
from dataprovider.running import ChildProblem, Farm, View
from dataprovider.running.children import run_manage
from dataprovider.running.exchange import Exchange
from dataprovider.running.latency import LatencyProbe
from dataprovider.running.result import DemoResult, compare, count_missing
from dataprovider.running.terminal import Stopped, links, stoppable

LOOK_SECONDS = 0.5
SUBSCRIBE_SECONDS = 60.0
#: How long after the exchange stopped the last trades may need to be stored, counted from the last progress: the weight
#: of the next minute may have to be waited for.
SETTLE_SECONDS = 75.0
#: Symbols whose candles the measuring client watches.
MOST_WATCHED = 200
#: How often what is missing is counted meanwhile (seconds): that reads every row of the run.
COUNT_SECONDS = 5.0


class Command(BaseCommand):
    help = (
        "Start Postgres, Valkey, ClickHouse, a simulated exchange, the collectors and the web in one terminal. "
        "Data stays in <DATAPROVIDER_HOME>/demo (a replay: /replay-…), apart from real data. Ctrl-C stops everything."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--symbols", default="300", help="how many made-up contracts, or a saved exchangeInfo answer"
        )
        parser.add_argument("--rate", type=positive, default=2000, help="made-up trades a second over all symbols")
        parser.add_argument("--seed", type=int, default=1, help="one seed gives one run")
        parser.add_argument("--archive-dir", help="replay the archives below this folder instead of made-up trades")
        parser.add_argument("--replay-speed", type=float, default=60.0, help="how many times faster than it was")
        parser.add_argument("--nodes", type=nodes, default=1, help="ClickHouse servers that share the trades")
        parser.add_argument(
            "--supervisors", type=workers, default=1, help="how many share the shards, as on several hosts"
        )
        parser.add_argument("--workers", type=workers, help="collector processes of each (COLLECTOR_WORKERS)")
        parser.add_argument(
            "--seconds", type=positive, help="stop the exchange after so long, drain, and give a verdict"
        )
        parser.add_argument("--json", action="store_true", help="nothing but the verdict on standard output")
        parser.add_argument("--port", type=port, help="port of the web (API_PORT)")

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.CONFIG
        say = self._complain if options["json"] else self._say
        # Made-up trades never go where real ones may be: a demo has services and a folder of its own.
        external = {name for names in SERVICE_VARIABLES.values() for name in names}
        environ = {key: value for key, value in named_environment().items() if key not in external}
        home = config.dataprovider_home / _folder(options)
        farm = Farm(
            home,
            home / "logs",
            environ,
            api_host=config.api_host,
            api_port=options["port"] or config.api_port,
            workers=options["workers"] or config.collector_workers,
            nodes=options["nodes"],
            supervisors=options["supervisors"],
            say=say,
        )
        result = None
        try:
            with stoppable():
                result = self._run(farm, options)
        except (ServiceProblem, ChildProblem, ClickHouseError) as problem:
            raise CommandError(str(problem)) from None
        except Stopped:
            say("Stopping everything …")
        finally:
            farm.stop()
        say("Stopped; the data is kept.")
        if result is not None:
            self.stdout.write(json.dumps(result.as_dict()))
            if not result.is_clean:
                raise SystemExit(1)

    def _run(self, farm: Farm, options: dict[str, Any]) -> DemoResult | None:
        farm.start_services()
        exchange = farm.start_exchange(_exchange_arguments(farm, options))
        farm.start_application()
        to_a_person = self.stdout.isatty() and not options["json"]
        view = View(
            "DataProvider demo: a simulated exchange",
            links(farm, to_a_person=to_a_person),
            Console(stderr=options["json"]),
        )
        with view:
            self._until_subscribed(farm, exchange, view)
            probe = self._probe(farm, exchange, view) if options["seconds"] else None
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
            waited = self._measured(probe, exchange, view)
            view.event("The exchange stopped; waiting until everything is stored.")
            self._until_stored(farm, exchange, view)
            self._until_recovered(farm, exchange, view)
        farm.stop_collectors()
        sent = exchange.sent()
        gaps = json.loads(run_manage(farm.environ, "gaps", "--json"))
        assert farm.store is not None
        result = compare(
            farm.store, sent, gaps, symbols=exchange.symbols, workers=farm.workers * farm.supervisors, seconds=seconds
        )
        return replace(result, frame_to_client_ms=waited)

    def _probe(self, farm: Farm, exchange: Exchange, view: View) -> LatencyProbe | None:
        """A client that measures; None when streaming is off."""
        assert farm.config is not None
        if not farm.config.enable_websocket_api:
            return None
        probe = LatencyProbe(farm.url, exchange.trading(MOST_WATCHED))
        probe.start()
        exchange.departures()
        if probe.problem:
            view.event(probe.problem)
        return probe

    def _measured(self, probe: LatencyProbe | None, exchange: Exchange, view: View) -> dict[str, float | None]:
        if probe is None:
            return {"p50": None, "p99": None}
        # What left last is still on its way.
        time.sleep(LOOK_SECONDS)
        probe.stop()
        if probe.problem:
            view.event(probe.problem)
        return probe.percentiles(exchange.departures())

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
        self._snapshot = farm.snapshot(sent=state.get("sent"), left_seconds=left)
        view.show(self._snapshot)
        time.sleep(LOOK_SECONDS)
        return state

    def _until_subscribed(self, farm: Farm, exchange: Exchange, view: View) -> None:
        deadline = time.monotonic() + SUBSCRIBE_SECONDS
        while time.monotonic() < deadline:
            subscribed = sum(status.subscribed for status in farm.statuses())
            if subscribed and subscribed == farm.wanted_symbols():
                return
            self._look(farm, exchange, view)
        view.event("Not every symbol is subscribed yet; the market opens all the same.")

    def _until_stored(self, farm: Farm, exchange: Exchange, view: View) -> None:
        """Wait until the workers hold nothing back, or nothing has moved for a while."""
        seen: tuple[int, int | None] = (-1, None)
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            self._look(farm, exchange, view)
            workers, stored = self._snapshot.workers, self._snapshot.stored
            waiting = sum(worker.buffered_rows + worker.spooled_batches for worker in workers)
            now = (sum(worker.received for worker in workers), stored)
            if workers and stored is not None and waiting == 0 and now == seen:
                return
            if now != seen:
                deadline = time.monotonic() + SETTLE_SECONDS
            seen = now

    def _until_recovered(self, farm: Farm, exchange: Exchange, view: View) -> None:
        """Wait until nothing is missing and no gap is open, or that has not come nearer for a while."""
        assert farm.store is not None
        sent = exchange.sent()
        missing = count_missing(farm.store, sent)
        if missing:
            view.event(f"{missing:,} trades are missing; recovery fetches them.")
        came_nearer = next_count = time.monotonic()
        while (missing or self._snapshot.open_gaps) and time.monotonic() - came_nearer < SETTLE_SECONDS:
            self._look(farm, exchange, view)
            if time.monotonic() >= next_count:
                next_count = time.monotonic() + COUNT_SECONDS
                counted = count_missing(farm.store, sent)
                if counted < missing:
                    came_nearer = time.monotonic()
                missing = counted

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _complain(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()


def _folder(options: dict[str, Any]) -> str:
    """Each replayed set of archives has a folder of its own: its ids have nothing to do with the made-up market's.

    And so has each number of nodes: trades lie where that number puts them.
    """
    nodes = "" if options["nodes"] == 1 else f"-{options['nodes']}-nodes"
    if not options["archive_dir"]:
        return f"demo{nodes}"
    names = sorted(path.name for path in Path(options["archive_dir"]).rglob("*.zip"))
    return f"replay-{hashlib.sha256(' '.join(names).encode()).hexdigest()[:8]}{nodes}"


def _exchange_arguments(farm: Farm, options: dict[str, Any]) -> list[str]:
    arguments = ["--port", "0", "--paused", "--state-dir", str(farm.home / "exchange")]
    if options["archive_dir"]:
        return [*arguments, "--archive-dir", options["archive_dir"], "--replay-speed", str(options["replay_speed"])]
    return [
        *arguments,
        *("--symbols", options["symbols"], "--rate", str(options["rate"]), "--seed", str(options["seed"])),
    ]
