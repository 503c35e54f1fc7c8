"""What Postgres knows of watched symbols: gaps that are open, gaps that were closed lately, history on its way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from django.db.models import QuerySet
from django.utils import timezone

from collectors.models import UNFINISHED, Gap, GapStatus
from integrity.models import UNFINISHED_JOBS, JobKind, RecoveryJob

#: A gap that was recovered so long ago has nothing to do with minutes that are still kept apart.
LATELY = timedelta(minutes=10)
#: A gap is closed by other machines, whose clocks may be so far behind; and looks take their time.
OTHER_CLOCKS = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class OpenGap:
    """A gap: its ids, and the times (ms) of the trades beside it where they are known."""

    pk: int
    symbol: str
    first_id: int
    last_id: int
    before_ms: int | None
    after_ms: int | None
    recovering: bool

    @property
    def ids(self) -> tuple[int, int]:
        return self.first_id, self.last_id

    @property
    def times(self) -> tuple[int, int]:
        """Between which times (ms) its trades lie, as far as that is known."""
        return self.before_ms or 0, 2**62 if self.after_ms is None else self.after_ms

    def reaches(self, since: int) -> bool:
        """Whether it may lack trades of `since` (ms) or later."""
        return self.times[1] >= since


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one symbol.

    history_until (ms): history up to there is being fetched, None: none is. recovered: gaps that were closed since the
    last look or shortly before it, as some are opened and closed between two looks.
    """

    gaps: Sequence[OpenGap] = ()
    history_until: int | None = None
    recovered: Sequence[OpenGap] = field(default=(), compare=False)


def read_known(symbols: Iterable[str], looked_at: datetime) -> dict[str, Known]:
    """What is known of these symbols now; `looked_at`: the last time. Raises django.db.Error while Postgres is away."""
    wanted = list(symbols)
    # Not longer ago than what was closed before anybody watched a symbol is known (read_repaired).
    since = max(looked_at - OTHER_CLOCKS, timezone.now() - LATELY)
    # The open ones first: what is closed between the two questions is then in both answers, and not in neither.
    open_ones = _gaps(Gap.objects.filter(status__in=UNFINISHED, symbol__name__in=wanted))
    recovered = _by_symbol(_gaps(_recovered(since).filter(symbol__name__in=wanted)))
    closed = {gap.pk for gaps in recovered.values() for gap in gaps}
    gaps = _by_symbol([gap for gap in open_ones if gap.pk not in closed])
    jobs = RecoveryJob.objects.filter(kind=JobKind.DAYS, status__in=UNFINISHED_JOBS, symbol__name__in=wanted)
    until: dict[str, int] = {}
    for symbol, last_day in jobs.values_list("symbol__name", "last_day"):
        assert last_day is not None
        end = datetime.combine(last_day + timedelta(days=1), time(), UTC)
        until[symbol] = max(until.get(symbol, 0), int(end.timestamp() * 1000) - 1)
    return {
        symbol: Known(tuple(gaps.get(symbol, ())), until.get(symbol), tuple(recovered.get(symbol, ())))
        for symbol in wanted
    }


def read_repaired(symbol: str) -> list[OpenGap]:
    """Gaps of this symbol whose trades were fetched lately. Raises django.db.Error while Postgres is away."""
    return _gaps(_recovered(timezone.now() - LATELY).filter(symbol__name=symbol))


def read_again(gaps: Sequence[OpenGap]) -> list[OpenGap]:
    """These as they are now: one may have grown before it was closed. Raises django.db.Error while Postgres is away."""
    now = {gap.pk: gap for gap in _gaps(Gap.objects.filter(pk__in=[gap.pk for gap in gaps]))}
    return [now.get(gap.pk, gap) for gap in gaps]


def _by_symbol(gaps: Iterable[OpenGap]) -> dict[str, list[OpenGap]]:
    found: dict[str, list[OpenGap]] = {}
    for gap in gaps:
        found.setdefault(gap.symbol, []).append(gap)
    return found


def _recovered(since: datetime) -> QuerySet[Gap]:
    return Gap.objects.filter(status=GapStatus.RECOVERED, updated_at__gte=since)


def _gaps(rows: QuerySet[Gap]) -> list[OpenGap]:
    fields = ("pk", "symbol__name", "first_id", "last_id", "before_ms", "after_ms", "status")
    return [
        OpenGap(pk, symbol, first_id, last_id, before_ms, after_ms, status == GapStatus.RECOVERING)
        for pk, symbol, first_id, last_id, before_ms, after_ms, status in rows.order_by("pk").values_list(*fields)
    ]
