"""`manage.py backfill`: bring in the history of symbols, with a progress bar, resumable."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser, ArgumentTypeError
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from rich.console import Console

from collectors.binance.archive import ArchiveUnreachable
from collectors.binance.problems import ExchangeProblem
from collectors.binance.weight import Priority
from collectors.models import Symbol
from dataprovider.config import Config
from dataprovider.numbers import counted, workers
from integrity.checks.check import IntegrityCheck
from integrity.models import JobStatus, RecoveryJob, Source
from integrity.recovery.backfill import Backfill
from integrity.recovery.backfillview import BackfillView
from integrity.recovery.contracts import UnknownContracts, archived_days, collected, find
from integrity.recovery.maketools import make_tools
from integrity.recovery.origin import apply_origins
from integrity.recovery.planner import day_of
from integrity.recovery.tools import Tools

#: The exchange's first day of USDⓈ-M futures: nothing can be asked for before it.
FIRST_DAY = date(2019, 9, 1)


class Command(BaseCommand):
    requires_system_checks = []
    help = (
        "Fetch the history of symbols from the exchange's archives and, for the newest days, by REST. Only what is "
        "missing is stored. Ctrl-C stops; the same command goes on where it was. A running system helps with the work. "
        "Exit status: 0 all is done, 1 some jobs are not (each is named with its reason), 130 stopped. "
        "A hole that is left between stored trades is an ordinary gap for the next check."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="the contracts, such as BTCUSDT")
        parser.add_argument("--all", action="store_true", help="every contract that is collected")
        parser.add_argument("--from", dest="first", required=True, type=day, metavar="DAY", help="such as 2024-01-31")
        parser.add_argument("--to", dest="last", type=day, metavar="DAY", help="included; default: today")
        parser.add_argument("--source", choices=Source.values, default=Source.AUTO, help="default: auto")
        parser.add_argument("--workers", type=workers, default=2, help="how many jobs at a time (2)")

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.CONFIG
        if bool(options["symbols"]) == options["all"]:
            both = "not both" if options["all"] else "one of them"
            raise CommandError(f"Name the symbols, or say --all: {both}.")
        if options["last"] is not None and options["first"] > options["last"]:
            raise CommandError(f"--from {options['first']} is after --to {options['last']}: turn them round.")
        # The list of contracts is needed in any case: without Postgres that is said before anything else.
        connection.ensure_connection()
        store = make_tools(config, lambda: False).store
        backfill = Backfill(
            lambda: make_tools(config, backfill.stop.is_set),
            options["workers"],
            lambda symbols: (IntegrityCheck(store).run(symbols, stop=backfill.stop.is_set), apply_origins()),
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: backfill.stop.set())
        symbols, last = self._resolve(config, options, backfill)
        if options["first"] > last:
            raise CommandError(f"--from {options['first']} is after {last}: nothing can be there yet.")
        jobs = backfill.plan(symbols, options["first"], last, options["source"])
        self.stdout.write(
            f"{counted(jobs, 'job')} for {counted(len(symbols), 'symbol')}, {options['first']} to {last}."
        )
        began = time.monotonic()
        with BackfillView(Console(), len(symbols)) as view:
            backfill.run(lambda: view.show(backfill.progress()))
        self._report(backfill, time.monotonic() - began)

    def _resolve(self, config: Config, options: dict[str, Any], backfill: Backfill) -> tuple[list[Symbol], date]:
        """The contracts, and the last day; asks the exchange for its day and for what is not known here."""
        tools = make_tools(config, backfill.stop.is_set)
        try:
            rest = tools.rest(Priority.BACKFILL, backfill.stop.is_set)
            symbols = collected() if options["all"] else find(options["symbols"], rest, tools.archives)
            newest = self._newest_day(tools, symbols, options)
        except (ExchangeProblem, ArchiveUnreachable, UnknownContracts) as problem:
            raise CommandError(str(problem)) from None
        if not symbols:
            raise CommandError("No contract is collected yet: run `manage.py syncsymbols` first.")
        return symbols, min(options["last"] or newest, newest)

    def _newest_day(self, tools: Tools, symbols: list[Symbol], options: dict[str, Any]) -> date:
        """Today by the exchange's clock (yesterday for archives), or the last archived day asked for beyond it."""
        today = day_of(tools.clock.now_ms())
        newest = today - timedelta(days=1) if options["source"] == Source.ARCHIVE else today
        if options["last"] is not None and options["last"] > newest and options["source"] != Source.REST:
            listed = [archived_days(tools.archives, symbol.name) for symbol in symbols]
            newest = max([newest, *(days[1] for days in listed if days is not None)])
        return newest

    def _report(self, backfill: Backfill, seconds: float) -> None:
        progress = backfill.progress()
        read, stored = sum(each.read for each in progress), sum(each.stored for each in progress)
        self.stdout.write(f"{stored:,} trades stored, {read:,} read, in {seconds:.1f} s.")
        for job in backfill.done():
            for what, sentence in (
                ("no_archive", "the exchange has no archive of"),
                ("differs", "stored trades differ from the archive on"),
            ):
                if job.result.get(what):
                    self.stdout.write(f"{job.symbol}: {sentence} {_days(job.result[what])}.")
            if job.result.get("absent"):
                self.stdout.write(
                    f"{job.symbol}: the exchange itself lacks {job.result['absent']:,} ids of {job.range}."
                )
        left = backfill.left()
        for job in left[:20]:
            self.stdout.write(f"{job.symbol} {job.range}: {job.get_status_display()}. {job.reason or _why(job)}")
        if len(left) > 20:
            self.stdout.write(f"… and {len(left) - 20} more.")
        if backfill.stop.is_set():
            self.stdout.write("Stopped. The same command goes on where it was; so does a running system.")
            raise SystemExit(130)
        if left:
            self.stdout.write(f"{counted(len(left), 'job')} not done: a running system goes on with those that wait.")
            raise SystemExit(1)


def day(text: str) -> date:
    """A day (UTC) from 2019-09-01 on, for the command line."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a day such as 2024-01-31") from None
    if found < FIRST_DAY:
        raise ArgumentTypeError(f"{text} is before the exchange's first day, {FIRST_DAY}")
    return found


def _why(job: RecoveryJob) -> str:
    if job.status == JobStatus.RUNNING:
        return "A running system is at it."
    return "Another job of this symbol runs first." if job.status == JobStatus.PENDING else ""


def _days(days: list[str]) -> str:
    return ", ".join(days) if len(days) <= 5 else f"{len(days)} days ({days[0]} … {days[-1]})"
