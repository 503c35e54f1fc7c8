"""What a demo run proved: the exchange's own count against what ClickHouse holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from dataprovider.clickhouse import ClickHouse
from dataprovider.running.exchange import SentIds


@dataclass(frozen=True)
class DemoResult:
    """The last line of a demo with --seconds.

    symbols: contracts the exchange lists; traded: those it sent trades of. sent: trades it put on the wire.
    stored: rows of those symbols and ids in ClickHouse. It may be more than was sent: what was traded while nobody was
    connected has been fetched. missing: ids between a symbol's first and last sent one that are not stored;
    missing_outside_gaps: those of them that no open gap names. duplicates: rows beyond the first of the same trade.
    frame_to_client_ms: percentiles over trades, from the exchange's socket to a client of /ws/stream that gets the
    candle with that trade in it; null when nothing was measured.
    """

    symbols: int
    traded: int
    workers: int
    seconds: float
    sent: int
    stored: int
    missing: int
    missing_outside_gaps: int
    duplicates: int
    open_gaps: int
    trades_per_s: float
    frame_to_client_ms: dict[str, float | None] = field(default_factory=lambda: {"p50": None, "p99": None})

    @property
    def is_clean(self) -> bool:
        """Whether every trade that was sent is stored exactly once."""
        return self.missing == 0 and self.duplicates == 0

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def count_missing(store: ClickHouse, sent: Mapping[str, SentIds]) -> int:
    """How many ids between the first and the last sent one of each symbol are not stored. Raises ClickHouseError."""
    stored = _stored(store, sent)
    return sum(ids.last_id - ids.first_id + 1 - stored.get(name, (0, 0, 0))[1] for name, ids in sent.items())


def _stored(store: ClickHouse, sent: Mapping[str, SentIds]) -> dict[str, tuple[int, int, int]]:
    """Symbol -> rows, different ids and different trades among those that were sent."""
    names = sorted(sent)
    rows = store.query(
        "stored_of",
        symbols=names,
        firsts=[sent[name].first_id for name in names],
        lasts=[sent[name].last_id for name in names],
    )
    return {str(row[0]): (int(row[1]), int(row[2]), int(row[3])) for row in rows}


def compare(
    store: ClickHouse,
    sent: Mapping[str, SentIds],
    gaps: Iterable[Mapping[str, object]],
    *,
    symbols: int,
    workers: int,
    seconds: float,
) -> DemoResult:
    """Read back what was sent. `gaps`: the open ones, as `manage.py gaps --json` gives them. Raises ClickHouseError."""
    stored = _stored(store, sent)
    missing = {name: ids.last_id - ids.first_id + 1 - stored.get(name, (0, 0, 0))[1] for name, ids in sent.items()}
    named: dict[str, int] = {}
    open_gaps = 0
    for gap in gaps:
        ids = sent.get(str(gap["symbol"]))
        first, last = int(str(gap["first_id"])), int(str(gap["last_id"]))
        if ids is not None and first <= ids.last_id and last >= ids.first_id:
            open_gaps += 1
            named[str(gap["symbol"])] = named.get(str(gap["symbol"]), 0) + (
                min(last, ids.last_id) - max(first, ids.first_id) + 1
            )
    count = sum(ids.count for ids in sent.values())
    return DemoResult(
        symbols=symbols,
        traded=len(sent),
        workers=workers,
        seconds=round(seconds, 1),
        sent=count,
        stored=sum(rows for rows, _, _ in stored.values()),
        missing=sum(missing.values()),
        missing_outside_gaps=sum(max(0, number - named.get(name, 0)) for name, number in missing.items()),
        duplicates=sum(rows - different for rows, _, different in stored.values()),
        open_gaps=open_gaps,
        trades_per_s=round(count / seconds, 1) if seconds > 0 else 0.0,
    )
