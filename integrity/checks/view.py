"""The store at a glance, for all symbols at once: months, days, and where trades still arrive."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dataprovider.clickhouse import ClickHouse
from integrity.checks.ids import Slice
from integrity.checks.read import DAY, Arriving, Settled

#: A symbol whose newest trade is so much older than the newest of all (s) has nothing on its way.
QUIET_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a symbol as the projection sums it up. `whole.start` is its first day (s), `days` have trades."""

    whole: Slice
    days: int

    @property
    def until(self) -> int:
        """The first second after it."""
        first = datetime.fromtimestamp(self.whole.start, UTC)
        return int((first + timedelta(days=32)).replace(day=1).timestamp())


class StoreView:
    """What is stored of each symbol, from the projections.

    `months`: symbol -> its months, ascending. `arriving`: symbols whose newest trades cannot be judged yet, since
    another may be on its way through a worker.
    """

    def __init__(self, store: ClickHouse, months: dict[str, list[Month]], arriving: dict[str, Arriving]) -> None:
        self.months = months
        self.arriving = arriving
        self._store = store
        self._newest_days: dict[str, list[Slice]] | None = None
        self._last_times: dict[tuple[str, int], int] | None = None
        self._newest_month = max((each[-1].whole.start for each in months.values()), default=0)

    @classmethod
    def read(cls, store: ClickHouse, symbols: Collection[str] | None, collected: Collection[str]) -> StoreView:
        """Of `symbols`, or of all; `collected`: those that somebody may be storing trades of now.

        Raises ClickHouseError.
        """
        if symbols is not None and not symbols:
            return cls(store, {}, {})
        # First: what is closed by then is read whole afterwards.
        arriving = _arriving(store, collected)
        months: dict[str, list[Month]] = {}
        for symbol, month, days, _, _, *summed in store.query("check_months", symbols=sorted(symbols or ())):
            months.setdefault(symbol, []).append(Month(Slice(int(month), *map(int, summed)), int(days)))
        return cls(store, months, arriving)

    def days(self, symbol: str, months: Sequence[Month]) -> list[Slice]:
        """The days of these months of a symbol (and of those between them), ascending. Raises ClickHouseError."""
        found: list[Slice] = []
        older = [month for month in months if month.whole.start != self._newest_month]
        if older:
            rows = self._store.query("symbol_days", symbol=symbol, since=older[0].whole.start, until=older[-1].until)
            found += [Slice(*map(int, row)) for row in rows]
        if len(older) < len(months):
            found += self._days_of_the_newest_month().get(symbol, [])
        return found

    def last_time(self, symbol: str, last_id: int) -> int | None:
        """When the newest trade that can be judged of an arriving symbol happened (ms), if that is `last_id`."""
        if self._last_times is None:
            lasts = [(name, max(each.settled, key=_last_id)) for name, each in self.arriving.items() if each.settled]
            rows = self._store.query(
                "check_times",
                symbols=[name for name, _ in lasts],
                minutes=[settled.last_minute for _, settled in lasts],
                ids=[settled.whole.last_id for _, settled in lasts],
            )
            self._last_times = {(name, int(number)): int(time) for name, number, time in rows}
        found: int | None = self._last_times.get((symbol, last_id))
        return found

    def _days_of_the_newest_month(self) -> dict[str, list[Slice]]:
        """Of all symbols at once: in a round in which nothing else changed they all need it."""
        if self._newest_days is None:
            self._newest_days = {}
            until = Month(Slice(self._newest_month, 0, 0, 0, 0), 0).until
            symbols = sorted(
                name for name, months in self.months.items() if months[-1].whole.start == self._newest_month
            )
            rows = self._store.query("check_days", symbols=symbols, since=self._newest_month, until=until)
            for symbol, *day in rows:
                self._newest_days.setdefault(symbol, []).append(Slice(*map(int, day)))
        return self._newest_days


def _last_id(settled: Settled) -> int:
    return settled.whole.last_id


def _arriving(store: ClickHouse, collected: Iterable[str]) -> dict[str, Arriving]:
    symbols = sorted(collected)
    if not symbols:
        return {}
    _, newest_ms = store.span()
    floor = newest_ms // 1000 - QUIET_SECONDS
    found: dict[str, Arriving] = {}
    rows = store.query("check_newest", symbols=symbols, since=max(0, (floor - 120) // DAY * DAY))
    for symbol, day, newest, count, first_id, last_id, sum_of_ids, last_minute, tangled in rows:
        until = int(newest) - 60
        if newest // 60 < floor // 60 or day + DAY <= until:
            continue
        known = found.setdefault(symbol, Arriving(until))
        if count:
            whole = Slice(int(day), int(count), int(first_id), int(last_id), int(sum_of_ids))
            settled = Settled(whole, int(tangled), int(last_minute))
            found[symbol] = Arriving(until, (*known.settled, settled))
    return found
