"""`manage.py verify`: whether what is stored is complete, read anew down to the ids of every row."""

from __future__ import annotations

import json
import os
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from collectors.binance.archive import ArchiveProblem, Archives
from dataprovider.clickhouse import Address, ClickHouse
from integrity.checks.read import Interrupted
from integrity.checks.verify import StillChanging, SymbolReport, Verification
from integrity.checks.verifyarchive import ArchiveFingerprints
from integrity.checks.verifydays import Comparison, compare
from integrity.checks.verifytable import lines

#: One pass over the rows of many days may take long.
TIMEOUT = 600.0


class Command(BaseCommand):
    requires_system_checks = []
    help = (
        "Read the whole table anew and say of each symbol what is missing, twice, or absent upstream. "
        "Exit status: 0 all complete, 1 not, 2 it could not be told."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("symbols", nargs="*", metavar="SYMBOL", help="only these (default: all that are stored)")
        parser.add_argument(
            "--against-archive", action="store_true", help="also compare each day with the exchange's archive"
        )
        parser.add_argument("--json", action="store_true", help="one JSON array instead of a table")

    def handle(self, *args: Any, **options: Any) -> None:
        self._stop = threading.Event()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda *_: self._stop.set())
        store = ClickHouse(Address.of_nodes(settings.CONFIG), pool_size=2, timeout=TIMEOUT)
        try:
            reports = self._reports(store, options)
        except Interrupted:
            self.stderr.write("Stopped before everything was read.")
            raise SystemExit(130) from None
        except (StillChanging, ArchiveProblem) as problem:
            raise CommandError(str(problem), returncode=2) from None
        finally:
            store.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        if options["json"]:
            self.stdout.write(json.dumps([report.as_json() for report in reports], ensure_ascii=False))
        else:
            for line in lines(reports):
                self.stdout.write(line)
        status = exit_status(reports)
        if status:
            raise SystemExit(status)

    def _reports(self, store: ClickHouse, options: dict[str, Any]) -> list[SymbolReport]:
        names = list(dict.fromkeys(map(_normal, options["symbols"]))) or None
        verification = Verification(store, names, self._stop.is_set)
        if verification.unknown:
            raise CommandError(f"There is no symbol {', '.join(verification.unknown)} here.", returncode=2)
        with _progress() as progress:
            bar = progress.add_task("", total=len(verification.symbols))
            reports = []
            for symbol in verification.symbols:
                progress.update(bar, description=symbol)
                reports.append(verification.verify(symbol))
                progress.advance(bar)
            if options["against_archive"]:
                self._against_archive(store, verification, reports, progress)
        return reports

    def _against_archive(
        self, store: ClickHouse, verification: Verification, reports: list[SymbolReport], progress: Progress
    ) -> None:
        config = settings.CONFIG
        archives = ArchiveFingerprints(
            Archives(config.binance_archive_url, config.binance_archive_listing_url),
            config.dataprovider_home / "downloads" / f"verify-{os.getpid()}",
            self._stop.is_set,
        )
        try:
            for report in reports:
                days = verification.closed_days(report.symbol)
                bar = progress.add_task(f"{report.symbol} against archive", total=len(days))
                report.archive = []
                for day in days:
                    if self._stop.is_set():
                        raise Interrupted
                    report.archive.append(compare(store, archives, report.symbol, day))
                    progress.advance(bar)
                progress.remove_task(bar)
        finally:
            archives.close()


def exit_status(reports: list[SymbolReport]) -> int:
    """0: all complete, and no archive says otherwise; 1: not; 2: it could not be told for want of a usable archive."""
    days = [verdict for report in reports for verdict in report.archive or ()]
    if not all(report.complete for report in reports):
        return 1
    if any(not verdict.comparison.is_fine and verdict.comparison is not Comparison.BAD_ARCHIVE for verdict in days):
        return 1
    return 2 if any(verdict.comparison is Comparison.BAD_ARCHIVE for verdict in days) else 0


def _progress() -> Progress:
    """On a terminal; what is written to standard output stays clean."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


def _normal(name: str) -> str:
    return "".join(letter.upper() if letter.isascii() else letter for letter in name)
