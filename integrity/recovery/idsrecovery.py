"""A run over gaps: each range of missing ids from REST or from the archives, until it is stored or proved absent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from collectors.binance.archive import MONTHLY, ArchiveMissing, ArchiveName
from collectors.binance.rest import TooOld, UnknownContract
from collectors.binance.weight import Priority
from collectors.messages import UNPROVED
from collectors.models import Gap
from integrity.models import RecoveryJob
from integrity.recovery.archivedays import ArchiveDays, BadArchive
from integrity.recovery.byrest import Absent, fetch_ids
from integrity.recovery.dayfill import fill_day
from integrity.recovery.fill import Filler, Stopped
from integrity.recovery.ledger import Ledger
from integrity.recovery.outcome import MAKES_ROOM, Done, JobProblem, Later, Outcome
from integrity.recovery.planner import Range, Way, day_of, days_between, next_way, size, start_of, within, without
from integrity.recovery.queue import Progress
from integrity.recovery.tools import Tools

#: How long to wait for an archive that may come (seconds).
ARCHIVE_PAUSE = 1800.0
#: A trade so much later than the exchange's clock (ms) is not a matter of clocks that differ a little.
CLOCK_MS = 600_000
#: So many days of archives are looked through when it is not known when missing trades happened.
DAYS_SEARCHED = 40


class IdsRecovery:
    """One run of one job of kind ids."""

    def __init__(
        self,
        job: RecoveryJob,
        tools: Tools,
        progress: Progress,
        give_up: Callable[[], bool],
        ledger: Ledger,
    ) -> None:
        assert job.claim is not None
        self._job = job
        self._ledger = ledger
        self._symbol = job.symbol.name
        self._tools = tools
        self._progress = progress
        self._give_up = give_up
        self._filler = Filler(tools.store, self._symbol, job.claim, give_up, tools.waiting)
        self._rest = tools.rest(Priority.GAP, give_up)
        self._archive = ArchiveDays(tools.archives, tools.folder / str(job.pk), give_up)
        self._absent: list[Absent] = []
        #: What may be stored: the ids that gaps name. All others belong to live collection.
        self._territory: list[Range] = []
        #: What is not stored from the first to the last of them, as the table said since the last page; None: to ask.
        self._missing: list[Range] | None = None

    def run(self) -> Outcome:
        """Until every gap is settled, or something has to be waited for.

        Raises JobProblem, Stopped and what REST, the archives and the store raise.
        """
        gaps = self._ledger.unfinished_gaps(self._job)
        self._ledger.take_up(gaps)
        self._territory = [(gap.first_id, gap.last_id) for gap in gaps]
        self._progress.units_total, self._progress.units_done = size(self._territory), 0
        later: list[Later] = []
        for gap in gaps:
            before = self._progress.units_done
            found = self._recover(gap)
            still = self._still_missing(gap)
            self._ledger.settle(gap, self._absent_in(gap), still_missing=bool(still))
            if found is not None and still:
                later.append(found)
            elif still:
                raise JobProblem(f"{size(still)} ids of {self._symbol} are still missing after recovery.")
            self._progress.units_done = before + gap.size - size(still)
        self._progress.result["absent"] = size((first, last) for first, last, _ in self._absent)
        if later:
            return min(later, key=lambda each: each.seconds)
        return Done(self._summary())

    def _summary(self) -> str:
        text = f"{self._progress.rows_stored:,} trades stored"
        absent = self._progress.result["absent"]
        return f"{text}; {absent:,} ids are absent upstream." if absent else f"{text}."

    def _still_missing(self, gap: Gap) -> list[Range]:
        if self._missing is None:
            # Of all gaps at once: a page fills many of them.
            first_id, last_id = self._territory[0][0], max(last for _, last in self._territory)
            self._missing = self._filler.missing(first_id, last_id)
        missing = within(self._missing, [(gap.first_id, gap.last_id)])
        return without(missing, [(first, last) for first, last, _ in self._absent])

    def _absent_in(self, gap: Gap) -> list[Absent]:
        return [
            (first, last, evidence)
            for low, high, evidence in self._absent
            for first, last in within([(low, high)], [(gap.first_id, gap.last_id)])
        ]

    def _recover(self, gap: Gap) -> Later | None:
        """Fetch what one gap lacks; Later when part of it has to wait. Each round fetches, or rules a way out."""
        tried: dict[date, ArchiveSeen] = {}
        beyond_rest = False
        before = self._progress.units_done
        while missing := self._still_missing(gap):
            if self._give_up():
                raise Stopped
            self._progress.position = str(missing[0][0])
            self._progress.units_done = before + gap.size - size(missing)
            oldest, newest = self._times(missing[0], gap)
            days = [day for day in self._days(oldest, newest) if day not in tried]
            now_ms = self._tools.clock.now_ms()
            # A replayed exchange whose clock is behind what the table has: its archives are there, its REST is not.
            behind = newest > now_ms + CLOCK_MS
            way = next_way(
                # What REST called too old is too old, whatever the table says of its time.
                oldest_ms=0 if beyond_rest or behind else oldest,
                missing=size(missing),
                day_is_over=bool(days) and (behind or start_of(days[0] + timedelta(days=1)) <= now_ms),
                archive_failed=not days,
                now_ms=max(now_ms, newest),
                look_back_ms=self._tools.look_back_ms,
                source=self._job.source,
            )
            if way is Way.REST:
                try:
                    later = fetch_ids(
                        self._rest,
                        self._filler,
                        self._tools.clock,
                        self._symbol,
                        missing,
                        bounds=self._territory,
                        makes_room=lambda: self._ledger.is_outranked(self._job),
                        moved=self._moved,
                        absent=self._absent,
                        doubtful=UNPROVED in gap.evidence,
                    )
                except (TooOld, UnknownContract):
                    # What is delisted REST does not know any more.
                    beyond_rest = True
                    continue
                if later is not None:
                    return later
            elif self._ledger.is_outranked(self._job):
                return MAKES_ROOM
            elif way is Way.ARCHIVE:
                tried[days[0]] = self._by_archive(days[0], max(now_ms, newest))
            else:
                verdict = self._judge(missing[0], oldest, newest, tried)
                if verdict is not None:
                    return verdict
        return None

    def _times(self, hole: Range, gap: Gap) -> tuple[int | None, int]:
        """No missing trade of `hole` is older than the first, nor newer than the second (ms)."""
        ((before, after),) = self._tools.store.query(
            "around_range", symbol=self._symbol, first_id=hole[0], last_id=hole[1]
        )
        oldest = int(before) * 1000 if before else gap.before_ms
        newest = (int(after) + 60) * 1000 if after else gap.after_ms
        return oldest, newest if newest is not None else self._tools.clock.now_ms()

    def _days(self, oldest: int | None, newest: int) -> list[date]:
        """The days that may hold the missing trades: ascending, or backwards where their beginning is not known."""
        last = day_of(newest)
        if oldest is None:
            return [last - timedelta(days=number) for number in range(DAYS_SEARCHED)]
        return days_between(day_of(min(oldest, newest)), last)

    def _by_archive(self, day: date, now_ms: int) -> ArchiveSeen:
        seen = ArchiveSeen()
        for name in (ArchiveName.daily(self._symbol, day), ArchiveName.monthly(self._symbol, day)):
            if name.period == MONTHLY and start_of(name.last_day + timedelta(days=1)) > now_ms:
                continue
            try:
                with self._archive.of(name) as archived:
                    for found in archived:
                        if name.first_day <= found.day <= name.last_day and found.day != day:
                            continue
                        fill_day(
                            self._tools.store,
                            self._filler,
                            found,
                            bounds=self._territory,
                            moved=self._moved,
                        )
                        seen.add(name.file, found.first_id, found.last_id)
                if seen.files:
                    return seen
            except ArchiveMissing as problem:
                seen.problems.append(str(problem))
            except BadArchive as problem:
                seen.bad = True
                seen.problems.append(str(problem))
        return seen

    def _judge(self, hole: Range, oldest: int | None, newest: int, tried: dict[date, ArchiveSeen]) -> Later | None:
        """No way is left to fetch `hole`: it is absent, or its archive is waited for, or the job has a problem."""
        bad = [problem for seen in tried.values() if seen.bad and not seen.files for problem in seen.problems]
        if bad:
            raise JobProblem(" ".join(bad))
        days = self._days(oldest, newest)
        now_ms = self._tools.clock.now_ms()
        files = [file for day in sorted(tried) for file in tried[day].files]
        final = start_of(days[-1]) + self._tools.give_up_days * 86_400_000 <= now_ms
        inside_one = any(file["first_id"] < hole[0] and file["last_id"] > hole[1] for file in files)
        around = any(file["first_id"] < hole[0] for file in files) and any(file["last_id"] > hole[1] for file in files)
        absent_days = [day.isoformat() for day in sorted(tried) if not tried[day].files]
        if inside_one or (final and (around or absent_days)):
            evidence: dict[str, Any] = {"source": "archive", "files": files, "at_ms": now_ms}
            if absent_days:
                evidence["never_published"] = absent_days
            self._absent.append((hole[0], hole[1], evidence))
            return None
        waiting = ", ".join(absent_days or [day.isoformat() for day in days[-2:]])
        return Later(
            f"{hole[0]}–{hole[1]} of {self._symbol} is too old for REST, and the archive of {waiting} does not have it "
            "yet: it is looked at again.",
            ARCHIVE_PAUSE,
        )

    def _moved(self, read: int, stored: int) -> None:
        self._progress.rows_read += read
        self._progress.rows_stored += stored
        self._missing = None
        # What is stored is of this job's gaps: a large one shows how far it is before it is settled.
        self._progress.units_done = min(self._progress.units_total, self._progress.units_done + stored)
        if self._give_up():
            raise Stopped


class ArchiveSeen:
    """What the archives of one day had to say."""

    def __init__(self) -> None:
        self.files: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.bad = False

    def add(self, file: str, first_id: int, last_id: int) -> None:
        """A good file, and the ids it has of this day."""
        self.files.append({"file": file, "first_id": first_id, "last_id": last_id})
