"""What alerts have to do with Postgres: the duty, the incidents on record, and what it knows of gaps and contracts.

Postgres may be away, and it may hang: everything is asked from a thread of its own and given up after a while.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from django.db import Error as DatabaseError
from django.db import OperationalError, connection
from django.db.models import F, Min, Sum
from django.db.models.functions import Now

from collectors.leases import LEASE_SECONDS
from collectors.models import UNFINISHED, CollectorHost, Gap, GapStatus, Symbol, SymbolStatus
from integrity.models import Incident
from integrity.recovery.election import give_up, take_or_keep

T = TypeVar("T")

DUTY = "alerts"
#: How long an answer is waited for (seconds).
PATIENCE = 3.0


@dataclass(frozen=True, slots=True)
class OldGaps:
    """Gaps that have been open for longer than they may be."""

    gaps: int
    ids: int
    symbol: str
    oldest: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What Postgres knows at one moment. Without the duty nothing but that is looked up."""

    on_duty: bool
    #: The incidents on record as open: key -> sentence.
    incidents: dict[str, str]
    old_gaps: OldGaps | None = None
    #: Contract -> its status at the exchange.
    contracts: dict[str, str] | None = None
    #: Supervisors whose heartbeat in Postgres is old.
    stale_owners: tuple[str, ...] = ()


class Ledger:
    """Postgres, asked by `owner`. Every method raises django.db.Error while it is away or does not answer in time."""

    def __init__(self, owner: str, patience: float = PATIENCE) -> None:
        self._owner, self._patience = owner, patience
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._asked: Future[Any] | None = None

    def look(self, gaps_since: datetime) -> Known:
        """Take or keep the duty, and what is known. `gaps_since`: gaps that were opened before are old."""
        return self.ask(lambda: _look(self._owner, gaps_since))

    def record(self, held: Mapping[str, str]) -> None:
        """Make the table say that these incidents are open, and no others."""
        self.ask(lambda: _record(held, end_others=True))

    def hand_over(self, told: Mapping[str, str]) -> None:
        """Another has the duty now: what it cannot know was told is written down for it."""
        self.ask(lambda: _record(told, end_others=False))

    def add(self, key: str, text: str, *, over: bool = False) -> bool:
        """Put one more on record; False when one of this key is there already (`over`: open or not)."""
        return self.ask(lambda: _add(key, text, over))

    def gaps_of(self, day: date) -> tuple[int, int, int]:
        """Of the gaps that were opened on that day (UTC): how many, their ids, and how many are not closed."""
        return self.ask(lambda: _gaps_of(day))

    def is_recorded(self, key: str) -> bool:
        """Whether there ever was an incident of this key."""
        return self.ask(Incident.objects.filter(key=key).exists)

    def give_up_duty(self, seconds: float) -> None:
        """Let another take the duty at once; waits `seconds` at most."""
        self.ask(lambda: give_up(DUTY, self._owner), seconds)

    def ask(self, question: Callable[[], T], seconds: float | None = None) -> T:
        """The answer. While an earlier question has none, no other is asked."""
        patience = self._patience if seconds is None else seconds
        if self._asked is not None and not self._asked.done():
            raise OperationalError("it hangs")
        asked = self._thread.submit(_asked, question)
        self._asked = asked
        try:
            return asked.result(patience)
        except NotInTime:
            raise OperationalError(f"no answer within {patience:g} s") from None


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except DatabaseError:
        connection.close()
        raise


def _look(owner: str, gaps_since: datetime) -> Known:
    on_duty = take_or_keep(DUTY, owner)
    return look_up(gaps_since) if on_duty else Known(on_duty, {})


def look_up(gaps_since: datetime) -> Known:
    """What is known, whoever has the duty; gaps opened before `gaps_since` are old. Raises django.db.Error."""
    stale = CollectorHost.objects.filter(heartbeat_at__lt=Now() - timedelta(seconds=LEASE_SECONDS))
    contracts = Symbol.objects.exclude(status=SymbolStatus.OTHER).order_by("onboard_date")
    return Known(
        on_duty=True,
        incidents=dict(Incident.objects.filter(ended_at=None).values_list("key", "text")),
        old_gaps=_old_gaps(gaps_since),
        contracts=dict(contracts.values_list("name", "status")),
        stale_owners=tuple(stale.order_by("owner").values_list("owner", flat=True)),
    )


def _old_gaps(since: datetime) -> OldGaps | None:
    old = Gap.objects.filter(status__in=UNFINISHED, opened_at__lt=since).order_by()
    found = old.aggregate(ids=Sum(F("last_id") - F("first_id") + 1), oldest=Min("opened_at"))
    if found["oldest"] is None:
        return None
    first = old.select_related("symbol").order_by("opened_at").first()
    return OldGaps(old.count(), int(found["ids"]), first.symbol.name if first else "", found["oldest"])


def _record(held: Mapping[str, str], *, end_others: bool) -> None:
    written = dict(Incident.objects.filter(ended_at=None).values_list("key", "pk"))
    for key, text in held.items():
        if key not in written:
            Incident.objects.create(key=key, text=text)
    if end_others:
        over = [pk for key, pk in written.items() if key not in held]
        Incident.objects.filter(pk__in=over).update(ended_at=Now())


def _add(key: str, text: str, over: bool) -> bool:
    there = Incident.objects.filter(key=key) if over else Incident.objects.filter(key=key, ended_at=None)
    if there.exists():
        return False
    Incident.objects.create(key=key, text=text, ended_at=Now() if over else None)
    return True


def _gaps_of(day: date) -> tuple[int, int, int]:
    gaps = Gap.objects.filter(opened_at__date=day)
    ids = gaps.aggregate(ids=Sum(F("last_id") - F("first_id") + 1))["ids"] or 0
    left = gaps.exclude(status__in=[GapStatus.RECOVERED, GapStatus.ABSENT_UPSTREAM]).count()
    return gaps.count(), int(ids), left
