"""A run over history: whole days of a symbol, from the archives or by REST, newest first, resumed where it was left."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date

from collectors.batch import selected
from collectors.binance.archive import ArchiveMissing, ArchiveName
from collectors.binance.archivefile import ArchiveDay
from collectors.binance.rest import TooOld, UnknownContract
from collectors.binance.weight import Priority
from collectors.collected import is_collected
from integrity.models import RecoveryJob, Source
from integrity.recovery.archivedays import ArchiveDays, BadArchive
from integrity.recovery.contracts import archived_days
from integrity.recovery.dayfill import fill_day
from integrity.recovery.fill import Filler, Stopped
from integrity.recovery.origin import origin_of
from integrity.recovery.outcome import MAKES_ROOM, Done, JobProblem, Later, Outcome
from integrity.recovery.planner import DAY_MS, PAGE, day_of, days_between, start_of
from integrity.recovery.queue import Progress, is_outranked
from integrity.recovery.tools import Tools

ARCHIVE_PAUSE = 1800.0
#: What is younger than this beside the newest stored trade may still be on its way through a worker.
ARRIVING_MS = 60_000
#: REST is asked a little less far back than it answers, so that a page begun in time is not refused.
EDGE_MS = 300_000
HOUR_MS = 3_600_000


class DaysRecovery:
    """One run of one job of kind days. `progress.result`: `left`, the days still to do; `no_archive`, days that the
    exchange has no archive of; `differs`, days whose stored trades are not the archive's, digit for digit."""

    def __init__(self, job: RecoveryJob, tools: Tools, progress: Progress, give_up: Callable[[], bool]) -> None:
        assert job.claim is not None
        assert job.first_day is not None
        assert job.last_day is not None
        self._job = job
        self._symbol = job.symbol.name
        self._tools = tools
        self._progress = progress
        self._give_up = give_up
        self._filler = Filler(tools.store, self._symbol, job.claim, give_up, tools.waiting)
        self._rest = tools.rest(Priority.BACKFILL, give_up)
        self._archive = ArchiveDays(tools.archives, tools.folder / str(job.pk), give_up)
        wanted = [day.isoformat() for day in days_between(job.first_day, job.last_day)]
        self._left = [date.fromisoformat(day) for day in progress.result.get("left", wanted)]
        self._bad: dict[date, str] = {}
        self._later: list[Later] = []
        self._listed: tuple[date, date] | None = None
        self._listing_read = False

    def run(self) -> Outcome:
        """Until every day is done, or something has to be waited for. Raises as IdsRecovery.run does."""
        self._save_left()
        if self._before_live() == 0:
            return Later(f"Waits for the first live trade of {self._symbol}.", 15.0)
        without_daily: list[date] = []
        for day in sorted(self._left, reverse=True):
            if self._makes_room():
                return MAKES_ROOM
            self._progress.position = day.isoformat()
            if not self._one_day(day):
                without_daily.append(day)
        for month in sorted({day.replace(day=1) for day in without_daily}, reverse=True):
            days = [day for day in without_daily if day.replace(day=1) == month]
            self._from_month(month, days)
        if self._bad:
            raise JobProblem(" ".join(self._bad[day] for day in sorted(self._bad)))
        if self._later:
            return min(self._later, key=lambda each: each.seconds)
        self._look_for_the_origin()
        return Done(self._summary())

    def _look_for_the_origin(self) -> None:
        """Where nothing is stored before these days, ask the exchange's listing whether anything is to come before."""
        assert self._job.first_day is not None
        rows = self._tools.store.query("symbol_extent", symbols=[self._symbol])
        if rows and day_of(int(rows[0][5]) * 1000) >= self._job.first_day and self._job.source != Source.REST:
            origin = origin_of(self._tools.store, self._tools.archives, self._symbol)
            if origin is not None:
                self._progress.result["origin"] = origin

    def _summary(self) -> str:
        result = self._progress.result
        text = f"{self._progress.rows_stored:,} trades stored of {self._progress.rows_read:,} read."
        if result.get("no_archive"):
            text += f" The exchange has no archive of {len(result['no_archive'])} days."
        if result.get("differs"):
            text += f" Stored trades differ from the archive on {len(result['differs'])} days."
        return text

    def _makes_room(self) -> bool:
        if self._give_up():
            raise Stopped
        return is_outranked(self._job)

    def _one_day(self, day: date) -> bool:
        """Do what can be done of a day now; False when only its monthly archive is left to try."""
        now_ms = self._tools.clock.now_ms()
        # A replayed exchange has archives of days that its clock has not reached.
        over = start_of(day) + DAY_MS <= now_ms or self._is_listed(day)
        edge = now_ms - self._tools.look_back_ms + EDGE_MS
        if start_of(day) > now_ms and not over:
            self._finished(day)
            return True
        if self._job.source != Source.REST and over:
            try:
                with self._archive.of(ArchiveName.daily(self._symbol, day)) as days:
                    self._store(days)
                self._finished(day)
            except ArchiveMissing:
                # Looked for in the month, or by REST below.
                self._bad.pop(day, None)
            except BadArchive as problem:
                self._bad[day] = str(problem)
            else:
                return True
        if self._job.source != Source.ARCHIVE and start_of(day) + DAY_MS > edge:
            self._bad.pop(day, None)
            later = self._by_rest(day, max(start_of(day), edge), now_ms)
            if later is None and start_of(day) < edge:
                # Its beginning is out of REST's reach; the rest of it was fetched before it is, too.
                later = Later(f"The archive of {day} is not published yet.", ARCHIVE_PAUSE)
            if later is None:
                self._finished(day)
            else:
                self._later.append(later)
            return True
        if self._job.source == Source.REST:
            self._note("no_archive", day)
            self._finished(day)
            return True
        if not over:
            self._later.append(Later(f"The archive of {day} comes when the day is over.", ARCHIVE_PAUSE))
            return True
        return False

    def _from_month(self, month: date, days: list[date]) -> None:
        """What the daily archives lack, from the monthly one; and what that means where it is not there either."""
        name = ArchiveName.monthly(self._symbol, month)
        if start_of(name.last_day) + DAY_MS <= self._tools.clock.now_ms():
            wanted = set(days)
            try:
                with self._archive.of(name) as archived:
                    for found in archived:
                        if found.day in wanted:
                            self._store([found])
                            self._bad.pop(found.day, None)
                            self._finished(found.day)
                            days = [day for day in days if day != found.day]
            except ArchiveMissing:
                pass
            except BadArchive as problem:
                self._bad.update(dict.fromkeys(days, str(problem)))
        for day in days:
            if day in self._bad:
                continue
            age_days = (self._tools.clock.now_ms() - start_of(day)) // DAY_MS
            if age_days > self._tools.give_up_days or self._before_the_first(day):
                self._note("no_archive", day)
                self._finished(day)
            else:
                self._later.append(Later(f"The archive of {day} is not published yet.", ARCHIVE_PAUSE))

    def _before_the_first(self, day: date) -> bool:
        """Whether the exchange's listing of this symbol begins after `day`."""
        listed = self._listing()
        return listed is not None and day < listed[0]

    def _is_listed(self, day: date) -> bool:
        listed = self._listing() if self._job.source != Source.REST else None
        return listed is not None and listed[0] <= day <= listed[1]

    def _listing(self) -> tuple[date, date] | None:
        """The first and the last day of the symbol's listed archives, read once a run."""
        if not self._listing_read:
            self._listed, self._listing_read = archived_days(self._tools.archives, self._symbol), True
        return self._listed

    def _store(self, days: Iterable[ArchiveDay]) -> None:
        for found in days:
            filled = fill_day(
                self._tools.store, self._filler, found, before_ms=self._before_live(), moved=self._part_of(found.rows)
            )
            if filled.same_ids and not filled.agrees:
                self._note("differs", found.day)

    def _before_live(self) -> int | None:
        """Only what is older may be stored: newer trades may be in the hands of a worker. None: nobody collects it."""
        if not is_collected(self._job.symbol, self._tools.only):
            return None
        newest = self._newest()
        return newest[1] - ARRIVING_MS if newest else 0

    def _newest(self) -> tuple[int, int] | None:
        """Id and time (ms) of the newest stored trade."""
        rows = self._tools.store.query("trades_latest", symbol=self._symbol, end=4_102_444_800_000, limit=1)
        return (int(rows[0][0]), int(rows[0][5])) if rows else None

    def _by_rest(self, day: date, from_ms: int, now_ms: int) -> Later | None:
        """Everything of a day since `from_ms` that REST has and the table lacks, up to what live collection stores."""
        before_live = self._before_live()
        until_ms = min(start_of(day) + DAY_MS, now_ms - ARRIVING_MS if before_live is None else before_live)
        try:
            position = self._first_id_since(from_ms, until_ms)
            if position is not None:
                position = self._beyond_stored(position)
            while position is not None:
                if self._makes_room():
                    return MAKES_ROOM
                page = self._rest.agg_trades(self._symbol, position, PAGE)
                early = page.timestamp < until_ms
                if not early.any():
                    return None
                self._behind(int(page.timestamp[-1]) - from_ms, until_ms - from_ms)
                self._moved(len(page), self._filler.fill(selected(page, early)))
                if not early.all() or len(page) < PAGE:
                    return None
                position = self._beyond_stored(int(page.aggregate_id[-1]) + 1)
        except (TooOld, UnknownContract):
            return Later(f"The archive of {day} is not published yet.", ARCHIVE_PAUSE)
        return None

    def _first_id_since(self, start_ms: int, until_ms: int) -> int | None:
        for hour in range(start_ms, until_ms, HOUR_MS):
            found = self._rest.agg_trades_between(self._symbol, hour, hour + HOUR_MS - 1, 1)
            if len(found):
                return int(found.aggregate_id[0])
        return None

    def _beyond_stored(self, position: int) -> int:
        """The first id from `position` on that is not stored."""
        newest = self._newest()
        if newest is None or position > newest[0]:
            return position
        missing = self._filler.missing(position, newest[0])
        return missing[0][0] if missing else newest[0] + 1

    def _finished(self, day: date) -> None:
        if day in self._left:
            self._left.remove(day)
            self._progress.units_done += 1
            self._behind(0, 1)
        self._save_left()

    def _save_left(self) -> None:
        self._progress.result["left"] = sorted(day.isoformat() for day in self._left)

    def _note(self, what: str, day: date) -> None:
        noted = set(self._progress.result.get(what, []))
        self._progress.result[what] = sorted({*noted, day.isoformat()})

    def _part_of(self, rows: int) -> Callable[[int, int], None]:
        """Like _moved, for a day of so many trades: also says how much of the day is behind."""
        behind = 0

        def moved(read: int, stored: int) -> None:
            nonlocal behind
            behind += read
            self._behind(behind, rows)
            self._moved(read, stored)

        return moved

    def _behind(self, done: int, total: int) -> None:
        """How much of the day it is at is behind it, in trades or in time; a whole day counts when it is finished."""
        self._progress.result["part_of_day"] = round(done / total, 3) if 0 < done < total else 0

    def _moved(self, read: int, stored: int) -> None:
        self._progress.rows_read += read
        self._progress.rows_stored += stored
        if self._give_up():
            raise Stopped
