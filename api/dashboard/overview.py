"""Everything at a glance, out of what each service knows: services, totals, workers, weight, jobs, contracts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from django.db.models import Case, Count, When
from django.utils import timezone

from api.sources import Sources, away
from api.system import collection
from api.tickers.answers import Known, status_of_data
from api.tickers.book import NOTHING, Jobs, Missing, Stored, milliseconds, read_book, stored_of_all
from api.tickers.state import State
from collectors.board import BoardLine, read_board
from dataprovider.config import Config
from dataprovider.decimals import to_text
from dataprovider.heartbeat import WorkerStatus, read_workers
from integrity.models import UNFINISHED_JOBS, JobStatus, RecoveryJob

#: However many look at it: it is put together at most once in so many seconds.
KEPT_SECONDS = 1.0
#: How much of each contract is stored is asked for at most once in so many seconds.
STORED_SECONDS = 10.0
#: So many jobs are shown, those that run first.
MOST_JOBS = 30


class Overview:
    """The overview of one process."""

    def __init__(self, sources: Sources, config: Config) -> None:
        self._sources = sources
        self._only = config.load_only_tickers
        self._lock = asyncio.Lock()
        self._kept: dict[str, Any] | None = None
        self._taken = 0.0
        self._stored: dict[str, Stored] | None = None
        self._stored_at = 0.0

    async def now(self) -> dict[str, Any]:
        """As it is now, or was a second ago; what a service that is away knows is null, and it is named."""
        async with self._lock:
            if self._kept is None or time.monotonic() - self._taken >= KEPT_SECONDS:
                self._kept = await self._take()
                self._taken = time.monotonic()
            return self._kept

    async def _take(self) -> dict[str, Any]:
        ask = self._sources
        book, jobs, stored, workers, board, weight = await asyncio.gather(
            ask.postgres(read_book),
            ask.postgres(read_jobs),
            self._read_stored(),
            ask.redis(read_workers),
            ask.redis(read_board),
            ask.redis(collection.read_weight),
        )
        known = Known(book, stored, workers, self._only)
        tickers = [_ticker(known, name, (board or {}).get(name)) for name in known.names]
        return {
            "totals": _totals(known, tickers),
            "workers": [_worker(each) for each in workers or ()],
            "weight": collection.weight(weight),
            "jobs": jobs,
            "tickers": tickers,
            "unavailable": away(postgres=book, clickhouse=stored, redis=workers),
        }

    async def _read_stored(self) -> dict[str, Stored] | None:
        if self._stored is None or time.monotonic() - self._stored_at >= STORED_SECONDS:
            self._stored = await self._sources.clickhouse(stored_of_all)
            self._stored_at = time.monotonic()
        return self._stored


def read_jobs() -> dict[str, Any]:
    """How many jobs there are of each state that matters, and the first of them. Raises django.db.Error."""
    matter = [*UNFINISHED_JOBS, JobStatus.FAILED]
    rows = RecoveryJob.objects.filter(status__in=matter)
    counts = dict(rows.order_by().values_list("status").annotate(Count("id")))
    turn = Case(When(status=JobStatus.RUNNING, then=0), When(status=JobStatus.PENDING, then=1), default=2)
    shown = rows.select_related("symbol").order_by(turn, "-priority", "-newest_ms", "id")[:MOST_JOBS]
    return {
        "running": counts.get(JobStatus.RUNNING, 0),
        "waiting": counts.get(JobStatus.PENDING, 0),
        "set_aside": counts.get(JobStatus.FAILED, 0),
        "shown": [job_line(job) for job in shown],
    }


def job_line(job: RecoveryJob) -> dict[str, Any]:
    """One job as people see it; `done`: the part that is behind it, 0 to 1."""
    running = job.status == JobStatus.RUNNING
    units = job.units_done + (float(job.result.get("part_of_day", 0)) if running else 0.0)
    done = min(1.0, units / job.units_total) if job.units_total else 0.0
    passed = (timezone.now() - job.started_at).total_seconds() if running and job.started_at else 0.0
    return {
        "id": job.pk,
        "symbol": job.symbol.name,
        "range": job.range,
        "status": job.get_status_display(),
        "done": round(done, 4),
        "seconds_left": round(passed * (1 - done) / done) if running and done else None,
        "rows_stored": job.rows_stored,
        "reason": job.reason,
    }


def _ticker(known: Known, name: str, line: BoardLine | None) -> dict[str, Any]:
    book = known.book
    state = known.state(name)
    missing = None if book is None else book.missing.get(name, Missing())
    jobs = None if book is None else book.jobs.get(name, Jobs())
    trust = book.trust.get(name) if book else None
    stored: Stored | None = None if known.stored is None else known.stored.get(name, NOTHING)
    data_status = status_of_data(stored, missing, jobs, trust.trust_ms if trust else None)
    live = line if state in (State.COLLECTING, State.STARTING, State.UNKNOWN) else None
    return {
        "symbol": name,
        "state": state,
        "price": to_text(line.price) if line else None,
        "trades_per_s": live.trades_per_s if live else 0.0 if line else None,
        "seen_at": line.seen_ms if line else None,
        "quality": data_status["data_quality"],
        "complete_until": data_status["last_complete_timestamp"],
        "open_gaps": missing.open + missing.recovering if missing else None,
        "missing_ids": missing.ids if missing else None,
    }


def _totals(known: Known, tickers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    states = [each["state"] for each in tickers]
    missing = None if known.book is None else known.book.missing.values()
    workers = known.workers
    checked = None if known.book is None else [milliseconds(each.checked_at) for each in known.book.trust.values()]
    return {
        "symbols": len(states),
        "collecting": None if known.book is None else states.count(State.COLLECTING),
        "rows": None if known.stored is None else sum(each.rows for each in known.stored.values()),
        "trades_per_s": None if workers is None else round(sum(each.trades_per_s for each in workers), 1),
        "lag_ms": max((each.lag_ms for each in workers), default=None) if workers else None,
        "storage_delay_ms": max((each.storage_delay_ms for each in workers or ()), default=None),
        "open_gaps": None if missing is None else sum(each.open + each.recovering for each in missing),
        "missing_ids": None if missing is None else sum(each.ids for each in missing),
        "checked_at": max(filter(None, checked), default=None) if checked else None,
    }


def _worker(status: WorkerStatus) -> dict[str, Any]:
    return {
        "owner": status.owner,
        "number": status.worker,
        "shards": status.shards,
        "symbols": status.symbols,
        "subscribed": status.subscribed,
        "connections": status.connections,
        "trades_per_s": round(status.trades_per_s, 1),
        "lag_ms": round(status.lag_ms, 1),
        "storage_delay_ms": status.storage_delay_ms,
        "waiting_rows": status.buffered_rows,
        "spooled_batches": status.spooled_batches,
        "reconnects": status.reconnects,
        "said_at": status.updated_ms,
    }
