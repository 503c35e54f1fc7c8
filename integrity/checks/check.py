"""The integrity check: what of each symbol is stored, proved down to its rows, and what is missing.

Top down: months and days from a projection for all symbols at once; the id column of a day once it is over, once; and
minutes and their rows only where a day is not whole. What was read row by row is remembered with its fingerprint, and
not read again while that is the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from dataprovider.clickhouse import ClickHouse, ClickHouseError
from integrity.checks import state
from integrity.checks.read import Interrupted
from integrity.checks.state import Outcome
from integrity.checks.symbol import SymbolCheck
from integrity.checks.view import StoreView
from integrity.models import IntegrityRun

logger = logging.getLogger(__name__)

#: What was found is written after so many symbols, or so many seconds.
WRITE_SYMBOLS, WRITE_SECONDS = 200, 5.0
#: Rounds are kept for so long.
KEEP_RUNS = timedelta(days=30)


class IntegrityCheck:
    """Checks symbols against `store`; `clock` gives the time that results are marked with."""

    def __init__(self, store: ClickHouse, clock: Callable[[], datetime] = timezone.now) -> None:
        self._store = store
        self._clock = clock

    def run(self, symbols: Collection[str] | None = None, stop: Callable[[], bool] = lambda: False) -> IntegrityRun:
        """One round over all symbols, or over those named; returned as it is saved.

        When `stop` says so it ends early: symbols that are done are written, `finished_at` stays empty and `problem`
        says why. Raises ClickHouseError (likewise) and django.db.Error.
        """
        began = time.monotonic()
        IntegrityRun.objects.filter(started_at__lt=self._clock() - KEEP_RUNS).delete()
        run = IntegrityRun.objects.create(started_at=self._clock())
        try:
            self._round(run, symbols, stop)
            run.finished_at = self._clock()
        except Interrupted:
            run.problem = "Interrupted."
        except ClickHouseError as error:
            run.problem = str(error)
            raise
        finally:
            run.save()
            logger.info("Integrity: %s, %.1f s.", _summary(run), time.monotonic() - began)
        return run

    def _round(self, run: IntegrityRun, names: Collection[str] | None, stop: Callable[[], bool]) -> None:
        remembered = state.remember(names)
        held = state.held_shards()
        collected = [name for name, each in remembered.items() if each.shard in held]
        view = StoreView.read(self._store, None if names is None else remembered.keys(), collected)
        _warn_of_unlisted(view.months.keys() - remembered.keys())
        gone = {name: each for name, each in remembered.items() if name not in view.months and each.trust is not None}
        lost = state.write_vanished(gone, self._clock())
        run.missing += lost.ids
        run.gaps_opened += lost.gaps
        waiting: list[Outcome] = []
        written_at = time.monotonic()

        def write() -> None:
            nonlocal waiting, written_at
            run.gaps_opened += state.write(waiting)
            waiting, written_at = [], time.monotonic()

        try:
            for name in sorted(view.months.keys() & remembered.keys()):
                if stop():
                    raise Interrupted
                check = SymbolCheck(self._store, name, view, remembered[name], stop, self._clock())
                waiting.append(check.outcome())
                run.symbols += 1
                run.months_read += check.months_read
                run.missing += check.missing
                run.duplicates += check.duplicates
                if len(waiting) >= WRITE_SYMBOLS or time.monotonic() - written_at >= WRITE_SECONDS:
                    write()
        except (Interrupted, ClickHouseError):
            write()
            raise
        write()


def _warn_of_unlisted(names: Iterable[str]) -> None:
    unlisted = sorted(names)
    if unlisted:
        some = ", ".join(unlisted[:5])
        logger.warning("%d symbols with trades are in no list of contracts, and not checked: %s.", len(unlisted), some)


def _summary(run: IntegrityRun) -> str:
    text = (
        f"{run.symbols} symbols, {run.months_read} months looked at, {run.missing} ids missing, "
        f"{run.duplicates} rows twice, {run.gaps_opened} new gaps"
    )
    return f"{text}; {run.problem}" if run.problem else text
