"""Contracts as they are answered (the shapes of api/tickers/shapes.py), out of what each service knows. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from api.sources import away
from api.tickers.book import NOTHING, Book, Jobs, Missing, Stored, carriers, milliseconds
from api.tickers.state import REASONS, State, state_of
from dataprovider.heartbeat import WorkerStatus


@dataclass(frozen=True, slots=True)
class Known:
    """What the three services said; None for one that does not answer. only: LOAD_ONLY_TICKERS."""

    book: Book | None
    stored: dict[str, Stored] | None
    workers: list[WorkerStatus] | None
    only: Collection[str] = ()

    @property
    def unavailable(self) -> list[str]:
        """The services that do not answer."""
        return away(postgres=self.book, clickhouse=self.stored, redis=self.workers)

    @property
    def names(self) -> list[str]:
        """Every contract that Postgres lists, and every one that has trades, ascending."""
        return sorted({*(self.book.symbols if self.book else ()), *(self.stored or ())})

    def state(self, name: str) -> State:
        """Whether it is being collected."""
        if self.book is None:
            return State.UNKNOWN
        symbol = self.book.symbols.get(name)
        if symbol is None:
            return State.NOT_TRADING
        return state_of(
            name,
            enabled=symbol.enabled,
            status=symbol.status,
            held=symbol.shard in self.book.leases,
            carried=None if self.workers is None else symbol.shard in carriers(self.workers),
            only=self.only,
        )


def ticker(known: Known, name: str) -> dict[str, Any]:
    """One line of the list of contracts."""
    symbol = known.book.symbols.get(name) if known.book else None
    stored = None if known.stored is None else known.stored.get(name, NOTHING)
    missing = None if known.book is None else known.book.missing.get(name, Missing())
    return {
        "symbol": name,
        "state": known.state(name),
        "enabled": symbol.enabled if symbol else None,
        "status": symbol.status if symbol else None,
        "contract_type": symbol.contract_type if symbol else None,
        "pair": symbol.pair if symbol else None,
        "base_asset": symbol.base_asset if symbol else None,
        "quote_asset": symbol.quote_asset if symbol else None,
        "tick_size": symbol.tick_size if symbol else None,
        "step_size": symbol.step_size if symbol else None,
        "onboard_time": milliseconds(symbol.onboard_date) if symbol else None,
        "delivery_time": milliseconds(symbol.delivery_date) if symbol else None,
        "rows": stored.rows if stored else None,
        "first_id": stored.first_id if stored else None,
        "last_id": stored.last_id if stored else None,
        "open_gaps": missing.open + missing.recovering if missing else None,
        "missing_ids": missing.ids if missing else None,
    }


def detail(known: Known, name: str) -> dict[str, Any]:
    """One contract, with the times of its first and last stored trade."""
    stored = None if known.stored is None else known.stored.get(name, NOTHING)
    return {
        **ticker(known, name),
        "first_time": stored.first_time if stored else None,
        "last_time": stored.last_time if stored else None,
        "unavailable": known.unavailable,
    }


def status(known: Known, name: str) -> dict[str, Any]:
    """How its collection, its gaps and its proof stand."""
    book = known.book
    symbol = book.symbols.get(name) if book else None
    stored = None if known.stored is None else known.stored.get(name, NOTHING)
    state = known.state(name)
    missing = None if book is None else book.missing.get(name, Missing())
    jobs = None if book is None else book.jobs.get(name, Jobs())
    trust = book.trust.get(name) if book else None
    boundary = book.boundaries.get(name) if book else None
    return {
        "symbol": name,
        "state": state,
        "reason": REASONS[state],
        "enabled": symbol.enabled if symbol else None,
        "shard": symbol.shard if symbol else None,
        "worker": _worker(known, symbol.shard) if symbol else None,
        "rows": stored.rows if stored else None,
        "last_id": stored.last_id if stored else None,
        "last_time": stored.last_time if stored else None,
        "gaps": {"open": missing.open, "recovering": missing.recovering, "missing_ids": missing.ids}
        if missing
        else None,
        "jobs": {"waiting": jobs.waiting, "running": jobs.running} if jobs else None,
        "trust": {
            "trust_id": trust.trust_id,
            "trust_time": trust.trust_ms,
            "missing": trust.missing,
            "duplicates": trust.duplicates,
            "checked_at": milliseconds(trust.checked_at),
        }
        if trust
        else None,
        "last_boundary": {"at": milliseconds(boundary.at), "cause": boundary.cause, "verdict": boundary.verdict}
        if boundary
        else None,
        "data_status": status_of_data(stored, missing, jobs, trust.trust_ms if trust else None),
        "unavailable": known.unavailable,
    }


def overview(known: Known) -> dict[str, Any]:
    """Every contract's state in a line, and how many there are of each."""
    lines = [_line(known, name) for name in known.names]
    counts = Counter(line["state"] for line in lines)
    return {
        "total": len(lines),
        "by_state": {state.value: counts[state] for state in State},
        "open_gaps": None if known.book is None else sum(each.open + each.recovering for each in _all(known)),
        "missing_ids": None if known.book is None else sum(each.ids for each in _all(known)),
        "rows": None if known.stored is None else sum(each.rows for each in known.stored.values()),
        "tickers": lines,
        "unavailable": known.unavailable,
    }


def _all(known: Known) -> Collection[Missing]:
    return known.book.missing.values() if known.book else ()


def _line(known: Known, name: str) -> dict[str, Any]:
    book = known.book
    symbol = book.symbols.get(name) if book else None
    stored = None if known.stored is None else known.stored.get(name, NOTHING)
    missing = None if book is None else book.missing.get(name, Missing())
    trust = book.trust.get(name) if book else None
    worker = _worker(known, symbol.shard) if symbol else None
    return {
        "symbol": name,
        "state": known.state(name),
        "shard": symbol.shard if symbol else None,
        "worker": f"{worker['owner']}/{worker['number']}" if worker else None,
        "rows": stored.rows if stored else None,
        "last_id": stored.last_id if stored else None,
        "open_gaps": missing.open + missing.recovering if missing else None,
        "missing_ids": missing.ids if missing else None,
        "trust_id": trust.trust_id if trust else None,
    }


def _worker(known: Known, shard: int) -> dict[str, Any] | None:
    """Who collects a shard: as the worker says itself, or by the lease while Valkey is away; None: nobody."""
    if known.workers is not None:
        worker = carriers(known.workers).get(shard)
        if worker is None:
            return None
        return {
            "owner": worker.owner,
            "number": worker.worker,
            "pid": worker.pid,
            "trades_per_s": worker.trades_per_s,
            "lag_ms": worker.lag_ms,
            "said_at": worker.updated_ms,
        }
    lease = known.book.leases.get(shard) if known.book else None
    if lease is None or lease.worker is None:
        return None
    return {
        "owner": lease.owner,
        "number": lease.worker,
        "pid": lease.pid,
        "trades_per_s": None,
        "lag_ms": None,
        "said_at": None,
    }


def status_of_data(
    stored: Stored | None, missing: Missing | None, jobs: Jobs | None, trusted_until: int | None
) -> dict[str, Any]:
    """The same four fields as in the frames of /ws/stream, over everything that is stored."""
    if stored is None or missing is None or jobs is None:
        quality = "unknown"
    elif not stored.rows or jobs.history:
        quality = "loading"
    else:
        quality = "partial" if missing.ids else "complete"
    return {
        "historical_loading": jobs.history if jobs else None,
        "gap_recovery": bool(missing.recovering or jobs.running) if missing and jobs else None,
        "data_quality": quality,
        "last_complete_timestamp": trusted_until,
    }
