"""The integrity check: what of each symbol is stored, proved down to its rows, and what is missing.

Top down: months and days from a projection for all symbols at once; the id column of a day once it is over, once; and
minutes and their rows only where a day is not whole. What was read row by row is remembered with its fingerprint, and
not read again while that is the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from collectors.messages import GapFound
from collectors.models import GapCause, GapStatus
from dataprovider.clickhouse import ClickHouse, ClickHouseError
from integrity import checkstate
from integrity.checkids import Range, Slice, common, without
from integrity.checkjudge import MonthIds, Verdict, judge
from integrity.checkread import DAY, Interrupted, MonthRead, MonthReader, Open
from integrity.checkstate import Outcome, Remembered
from integrity.checktimes import Times
from integrity.models import IntegrityRun, MonthCheck, SymbolTrust

logger = logging.getLogger(__name__)

#: A symbol whose newest trade is so much older than the newest of all (s) has nothing on its way.
QUIET_SECONDS = 600
#: So many holes of one symbol are written down in one round; the rest in the next.
MOST_GAPS = 1_000
#: What was found is written after so many symbols, or so many seconds.
WRITE_SYMBOLS, WRITE_SECONDS = 200, 5.0
#: Rounds are kept for so long.
KEEP_RUNS = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a symbol as the projection sums it up: `whole.start` is its first day (s)."""

    whole: Slice
    days: int

    @property
    def until(self) -> int:
        """The first second after it."""
        first = datetime.fromtimestamp(self.whole.start, UTC)
        return int((first + timedelta(days=32)).replace(day=1).timestamp())


@dataclass(slots=True)
class Newest:
    """Where a symbol's trades still arrive: its days from `until` (s) on are open. last: minute (s) and id."""

    until: int
    opens: list[Open] = field(default_factory=list)
    last: tuple[int, int] | None = None


class IntegrityCheck:
    """Checks symbols against `store`; `clock` gives the time that results are marked with."""

    def __init__(self, store: ClickHouse, clock: Callable[[], datetime] = timezone.now) -> None:
        self._store = store
        self._clock = clock

    def run(self, symbols: Collection[str] | None = None, stop: Callable[[], bool] = lambda: False) -> IntegrityRun:
        """One round over all symbols, or over those named. What it returns is saved.

        When `stop` says so it ends early: what is done is written, `finished_at` stays empty and `problem` says why.
        Raises ClickHouseError and django.db.Error likewise.
        """
        began = time.monotonic()
        IntegrityRun.objects.filter(started_at__lt=self._clock() - KEEP_RUNS).delete()
        run = IntegrityRun.objects.create(started_at=self._clock())
        try:
            self._round(run, symbols, stop)
        except Interrupted:
            run.problem = "Interrupted."
        except ClickHouseError as error:
            run.problem = str(error)
            raise
        else:
            run.finished_at = self._clock()
        finally:
            run.save()
        logger.info(
            "Integrity: %d symbols, %d months looked at, %d ids missing, %d rows twice, %d new gaps, %.1f s.%s",
            run.symbols,
            run.months_read,
            run.missing,
            run.duplicates,
            run.gaps_opened,
            time.monotonic() - began,
            f" {run.problem}" if run.problem else "",
        )
        return run

    def _round(self, run: IntegrityRun, names: Collection[str] | None, stop: Callable[[], bool]) -> None:
        remembered = checkstate.remember(names)
        view = StoreView.read(self._store, remembered if names is not None else None, self._arriving(remembered))
        unknown = view.months.keys() - remembered.keys()
        if unknown:
            logger.warning("The list of contracts lacks %d symbols with trades: %s.", len(unknown), _some(unknown))
        checkstate.forget({name: each for name, each in remembered.items() if name not in view.months})
        waiting: list[Outcome] = []
        written_at = time.monotonic()
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
                    run.gaps_opened += checkstate.write(waiting)
                    waiting, written_at = [], time.monotonic()
        finally:
            if waiting:
                run.gaps_opened += checkstate.write(waiting)

    def _arriving(self, remembered: dict[str, Remembered]) -> list[str]:
        """The symbols that somebody may be collecting now."""
        held = checkstate.held_shards()
        return sorted(name for name, each in remembered.items() if each.shard in held)
