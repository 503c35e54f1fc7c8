"""The check of one symbol: what is unchanged since it was read is taken from memory, the rest is looked at."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import datetime

from collectors.messages import GapFound
from collectors.models import Gap, GapCause, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.checks.ids import Range, common, size, united, without
from integrity.checks.judge import MonthIds, Verdict, judge, vanished
from integrity.checks.read import MonthRead, MonthReader, Unread
from integrity.checks.state import FIRST_IDS, Outcome, Remembered, known_of, month_check, month_of, result_of
from integrity.checks.times import times_around, times_of
from integrity.checks.view import Month, StoreView
from integrity.models import MonthCheck, SymbolTrust
from integrity.recovery.planner import day_of

logger = logging.getLogger(__name__)

#: So many holes of one symbol are written down in one round; the rest in the next.
MOST_GAPS = 1_000


class SymbolCheck:
    """Judges one symbol of `view`. `months_read`, `missing` and `duplicates` are known after `outcome`."""

    def __init__(
        self,
        store: ClickHouse,
        name: str,
        view: StoreView,
        remembered: Remembered,
        stop: Callable[[], bool],
        now: datetime,
    ) -> None:
        self._store = store
        self._name = name
        self._view = view
        self._months = view.months[name]
        self._arriving = view.arriving.get(name)
        self._remembered = remembered
        self._reader = MonthReader(store, name, stop)
        self._now = now
        self.months_read = self.missing = self.duplicates = 0

    def outcome(self) -> Outcome:
        """Look at what changed, and judge. Raises Interrupted and ClickHouseError: then nothing is known."""
        looked_at = self._looked_at()
        months = [MonthIds(each.runs, proved) for each, proved in looked_at]
        trust = self._remembered.trust
        first_id = min((run.first_id for month in months for run in month.runs), default=0)
        begins = first_id <= FIRST_IDS or bool(trust is not None and trust.first_id == first_id and trust.origin)
        verdict = judge(months, self._remembered.absent, begins=begins)
        if verdict is None:
            return Outcome()
        resolve_overlaps(self._store, self._name, verdict)
        stored_ids = (
            min(month.whole.first_id for month in self._months),
            max(month.whole.last_id for month in self._months),
        )
        lost = vanished(known_extent(trust), stored_ids, self._remembered.absent)
        self.missing = size(verdict.missing) + size(lost)
        self.duplicates = sum(each.duplicates for each in verdict.months)
        stored = {month_of(month.whole.start) for month in self._months}
        gone = [check.pk for month, check in self._remembered.months.items() if month not in stored]
        changed = trust is not None and verdict.first_id < trust.first_id
        if lost:
            logger.error("%d trades of %s that were stored are gone; they are fetched again.", size(lost), self._name)
        rows = sum(run.rows for month in months for run in month.runs)
        return Outcome(
            months=list(self._month_checks(looked_at, verdict)),
            vanished=gone,
            trust=self._trust(verdict, rows, lost),
            first_id_changed=changed,
            gaps=[*self._new_gaps(verdict), *self._lost_gaps(lost, trust)],
            recovered=self._recovered(verdict),
        )

    def _looked_at(self) -> list[tuple[MonthRead, bool]]:
        """What each month holds, and whether all of it was read row by row and is over."""
        dirty = [month for month in self._months if not self._is_unchanged(month)]
        self.months_read = len(dirty)
        days = self._view.days(self._name, dirty) if dirty else []
        unread = [
            Unread(
                since := month.whole.start,
                until := month.until,
                [day for day in days if since <= day.start < until],
                known_of(self._remembered.months.get(month_of(since))),
            )
            for month in dirty
        ]
        read = dict(zip([each.since for each in unread], self._reader.read(unread, self._arriving), strict=True))
        number_of_days = {each.since: len(each.days) for each in unread}
        found = []
        for month in self._months:
            looked_at = read.get(month.whole.start)
            if looked_at is None:
                known = known_of(self._remembered.months.get(month_of(month.whole.start)))
                found.append((MonthRead(known), True))
            else:
                whole = looked_at.known.days == number_of_days[month.whole.start] and not looked_at.later
                found.append((looked_at, whole))
        return found

    def _is_unchanged(self, month: Month) -> bool:
        check = self._remembered.months.get(month_of(month.whole.start))
        fingerprint = str(month.whole.fingerprint)
        return (
            check is not None
            and check.rows == month.whole.rows
            and check.proved_days == month.days
            and check.proved_fingerprint == check.fingerprint == fingerprint
        )

    def _month_checks(self, looked_at: list[tuple[MonthRead, bool]], verdict: Verdict) -> Iterator[MonthCheck]:
        for month, (read, _), found in zip(self._months, looked_at, verdict.months, strict=True):
            values = {
                "result": result_of(missing=found.missing, duplicates=found.duplicates, proved=found.proved),
                "rows": month.whole.rows,
                "first_id": month.whole.first_id,
                "last_id": month.whole.last_id,
                "missing": found.missing,
                "duplicates": found.duplicates,
                "absent": found.absent,
                "twins": found.twins,
                "fingerprint": str(month.whole.fingerprint),
            }
            check = self._remembered.months.get(month_of(month.whole.start))
            same_days = check is not None and known_of(check) == read.known
            if check is None or not same_days or any(getattr(check, name) != value for name, value in values.items()):
                yield month_check(
                    self._remembered.pk, month_of(month.whole.start), read.known, checked_at=self._now, **values
                )

    def _trust(self, verdict: Verdict, rows: int, lost: list[Range]) -> SymbolTrust:
        first_ms, last_ms, trust_ms = self._times(verdict)
        first_id, last_id, trust_id = verdict.first_id, verdict.last_id, verdict.trust_id
        before = self._remembered.trust
        if before is not None and before.first_id < first_id:
            first_id, first_ms = before.first_id, before.first_ms
            if lost:
                # What is to come first is gone: nothing can be trusted until it is back.
                trust_id, trust_ms = max(0, first_id - 1), first_ms
        if before is not None and lost and before.last_id > last_id:
            last_id, last_ms = before.last_id, before.last_ms
        return SymbolTrust(
            symbol_id=self._remembered.pk,
            first_id=first_id,
            first_ms=first_ms,
            last_id=last_id,
            last_ms=last_ms,
            trust_id=trust_id,
            trust_ms=trust_ms,
            rows=rows,
            missing=self.missing,
            duplicates=self.duplicates,
            absent=sum(last - first + 1 for first, last in verdict.absent),
            checked_at=self._now,
        )

    def _lost_gaps(self, lost: list[Range], trust: SymbolTrust | None) -> list[GapFound]:
        spoken_of = united([(gap.first_id, gap.last_id) for gap in self._remembered.open_gaps])
        return gaps_of_lost(self._name, without(lost, spoken_of), trust)

    def _times(self, verdict: Verdict) -> tuple[int, int, int]:
        """When the first, the last and the trusted trade happened (ms): as far as possible from memory."""
        wanted = (verdict.first_id, verdict.last_id, verdict.trust_id)
        known: dict[int, int] = {}
        trust = self._remembered.trust
        if trust is not None:
            known = {
                trust.first_id: trust.first_ms,
                trust.last_id: trust.last_ms,
                trust.trust_id: trust.trust_ms,
            }
        if self._arriving is not None and verdict.last_id not in known:
            newest = self._view.last_time(self._name, verdict.last_id)
            if newest is not None:
                known[verdict.last_id] = newest
        unknown = [each for each in wanted if each not in known]
        if unknown:
            known |= times_of(self._store, self._name, unknown)
        first, last, trusted = wanted
        return known[first], known[last], known[trusted]

    def _new_gaps(self, verdict: Verdict) -> list[GapFound]:
        """Holes that no gap speaks of, and that no job for the days they are in will fill."""
        spoken_of = united([(gap.first_id, gap.last_id) for gap in self._remembered.open_gaps])
        holes = without(verdict.missing, spoken_of)
        if not holes:
            return []
        times = times_around(self._store, self._name, holes[:MOST_GAPS])
        return [
            GapFound(self._name, first, last, GapCause.CHECK, before_ms, after_ms)
            for (first, last), (before_ms, after_ms) in zip(holes, times, strict=False)
            if not self._is_coming(before_ms, after_ms)
        ]

    def _is_coming(self, before_ms: int | None, after_ms: int | None) -> bool:
        return any(
            (before_ms is None or day_of(before_ms) <= last) and (after_ms is None or day_of(after_ms) >= first)
            for first, last in self._remembered.coming
        )

    def _recovered(self, verdict: Verdict) -> list[Gap]:
        return [
            gap
            for gap in self._remembered.open_gaps
            if gap.status == GapStatus.OPEN
            and verdict.first_id <= gap.first_id
            and gap.last_id <= verdict.last_id
            and not common(verdict.holes, [(gap.first_id, gap.last_id)])
        ]


def known_extent(trust: SymbolTrust | None) -> Range | None:
    """The first and the last id that a check has ever seen stored."""
    return None if trust is None else (trust.first_id, trust.last_id)


def gaps_of_lost(symbol: str, lost: list[Range], trust: SymbolTrust | None) -> list[GapFound]:
    """What vanished, as gaps; it happened between the first and the last trade that were known."""
    if trust is None:
        return []
    return [GapFound(symbol, first, last, GapCause.CHECK, trust.first_ms, trust.last_ms) for first, last in lost]


def resolve_overlaps(store: ClickHouse, symbol: str, verdict: Verdict) -> None:
    """Ids that lie in two days: their rows say which are twins and which duplicates. Raises ClickHouseError."""
    for (first_id, last_id), number in verdict.overlaps:
        ((rows, trades),) = store.query("stored_in_range", symbol=symbol, first_id=first_id, last_id=last_id)
        month = verdict.months[number]
        month.twins += int(trades) - (last_id - first_id + 1)
        month.duplicates += int(rows) - int(trades)
        month.proved = month.proved and rows == trades
