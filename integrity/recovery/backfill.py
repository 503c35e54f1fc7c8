"""A backfill as a command runs it: its jobs, worked on here (and by a running system too), until they are done."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from uuid import uuid4

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import QuerySet, Sum
from django.db.models.functions import Now

from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouseError
from integrity.models import UNFINISHED_JOBS, JobKind, JobStatus, RecoveryJob
from integrity.recovery import queue
from integrity.recovery.gapplan import plan_gaps
from integrity.recovery.perform import Performer
from integrity.recovery.planner import months
from integrity.recovery.tools import Tools

#: How often what was filled is checked and what that finds is fetched, before it is left to the running system.
MOST_ROUNDS = 3
REAP_SECONDS = 5.0
#: A job that waits longer than this (seconds) is not waited for.
WORTH_WAITING = 60.0


@dataclass(frozen=True, slots=True)
class SymbolProgress:
    """One symbol's jobs. `done` and `total`: days, and ids of gaps found on the way; `done` also counts the part of
    the day that is being read. `read` and `stored`: trades, since the command began."""

    symbol: str
    done: float
    total: int
    read: int
    stored: int
    position: str = ""


class Backfill:
    """The jobs of one command. `make_tools` is called once for each thread that works."""

    def __init__(self, make_tools: Callable[[], Tools], workers: int, check: Callable[[Sequence[str]], object]) -> None:
        """`check(symbols)` runs the integrity check over what was filled and opens gaps for what it finds."""
        self._make_tools = make_tools
        self._workers = workers
        self._check = check
        self._symbols: list[Symbol] = []
        self._before: dict[str, tuple[int, int]] = {}
        self.stop = threading.Event()
        self.batch = f"backfill {uuid4().hex[:8]}"

    def plan(self, symbols: Sequence[Symbol], first: date, last: date, source: str) -> int:
        """Make the jobs, month by month; jobs of the same ranges that wait already become ours. How many there are."""
        self._symbols = list(symbols)
        for symbol in symbols:
            begins = max(first, symbol.onboard_date.astimezone(UTC).date())
            for first_day, last_day in months(begins, last):
                job, made = queue.add_days_job(symbol, first_day, last_day, source=source, batch=self.batch)
                if not made:
                    RecoveryJob.objects.filter(pk=job.pk).update(batch=self.batch, next_attempt_at=Now())
        self._before = {each.symbol: (each.read, each.stored) for each in self.progress()}
        return self._jobs().count()

    def run(self, look: Callable[[], None], seconds: float = 0.25) -> None:
        """Work until everything is done, has to wait for long, or `stop` is set; `look` is called in between.

        Raises ClickHouseError and django.db.Error.
        """
        for _ in range(MOST_ROUNDS):
            self._work(look, seconds)
            if self.stop.is_set() or not self._found_more():
                return

    def progress(self) -> list[SymbolProgress]:
        """Symbol by symbol, those that run now first."""
        rows = (
            self._jobs()
            .values("symbol__name")
            .annotate(
                done=Sum("units_done"), total=Sum("units_total"), read=Sum("rows_read"), stored=Sum("rows_stored")
            )
            .order_by("symbol__name")
        )
        # At most one job of a symbol runs.
        at = {
            symbol: (position, float(result.get("part_of_day", 0)))
            for symbol, position, result in self._jobs()
            .filter(status=JobStatus.RUNNING)
            .values_list("symbol__name", "position", "result")
        }
        found = []
        for row in rows:
            symbol = row["symbol__name"]
            position, part = at.get(symbol, ("", 0.0))
            read, stored = self._before.get(symbol, (0, 0))
            found.append(
                SymbolProgress(
                    symbol, row["done"] + part, row["total"], row["read"] - read, row["stored"] - stored, position
                )
            )
        return sorted(found, key=lambda each: (each.symbol not in at, each.symbol))

    def left(self) -> list[RecoveryJob]:
        """Jobs that are not done."""
        return list(self._jobs().exclude(status=JobStatus.DONE).select_related("symbol"))

    def done(self) -> list[RecoveryJob]:
        """Jobs that are."""
        return list(self._jobs().filter(status=JobStatus.DONE).select_related("symbol"))

    def _jobs(self) -> QuerySet[RecoveryJob]:
        return RecoveryJob.objects.filter(batch=self.batch)

    def _work(self, look: Callable[[], None], seconds: float) -> None:
        problems: list[Exception] = []
        threads = [
            threading.Thread(target=self._worker, args=(number, problems), name=f"backfill-{number}")
            for number in range(self._workers)
        ]
        for thread in threads:
            thread.start()
        try:
            while any(thread.is_alive() for thread in threads):
                look()
                threads[0].join(seconds)
        except BaseException:
            self.stop.set()
            raise
        finally:
            for thread in threads:
                thread.join()
        look()
        if problems:
            raise problems[0]

    def _worker(self, number: int, problems: list[Exception]) -> None:
        owner = f"{socket.gethostname()}:{os.getpid()} backfill {number}"
        next_reap = 0.0
        tools = self._make_tools()
        try:
            performer = Performer(tools, self.stop.is_set)
            while not self.stop.is_set() and self._is_worth_waiting():
                if number == 0 and time.monotonic() >= next_reap:
                    next_reap = time.monotonic() + REAP_SECONDS
                    queue.reap(tools.store)
                job = queue.claim(owner, batch=self.batch)
                if job is None:
                    self.stop.wait(0.2)
                else:
                    performer.perform(job)
        except (ClickHouseError, DatabaseError) as problem:
            problems.append(problem)
            self.stop.set()
        finally:
            tools.close()
            connection.close()

    def _is_worth_waiting(self) -> bool:
        """Whether a job runs, here or elsewhere, or one of ours is due soon."""
        soon = Now() + timedelta(seconds=WORTH_WAITING)
        jobs = self._jobs()
        return (
            jobs.filter(status=JobStatus.RUNNING).exists()
            or jobs.filter(status=JobStatus.PENDING, next_attempt_at__lte=soon).exists()
        )

    def _found_more(self) -> bool:
        """Check what was filled; whether that found gaps, whose jobs are then ours too."""
        self._check([symbol.name for symbol in self._symbols])
        plan_gaps()
        more = RecoveryJob.objects.filter(
            symbol__in=self._symbols, kind=JobKind.IDS, status__in=UNFINISHED_JOBS
        ).exclude(batch=self.batch)
        return bool(more.update(batch=self.batch))
