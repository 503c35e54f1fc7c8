"""Rows of Postgres that tests begin with."""

from __future__ import annotations

from datetime import UTC, datetime

from collectors.models import Gap, GapCause, Symbol
from dataprovider.clickhouse.shards import shard_of
from integrity.models import RecoveryJob
from integrity.recovery import queue


def make_symbol(name: str = "BTCUSDT", *, enabled: bool = True, status: str = "TRADING") -> Symbol:
    """A contract."""
    return Symbol.objects.create(
        name=name,
        onboard_date=datetime(2020, 1, 1, tzinfo=UTC),
        contract_type="PERPETUAL",
        status=status,
        shard=shard_of(name),
        enabled=enabled,
    )


def make_gap(symbol: Symbol, first_id: int, last_id: int, **fields: object) -> Gap:
    """An open gap."""
    return Gap.objects.create(symbol=symbol, first_id=first_id, last_id=last_id, cause=GapCause.STREAM, **fields)


def make_job(symbol: Symbol, first_id: int = 100, last_id: int = 199, *, newest_ms: int = 0) -> RecoveryJob:
    """A waiting job for one gap of this range."""
    gap = make_gap(symbol, first_id, last_id)
    return queue.add_ids_job(symbol, first_id, last_id, [gap], newest_ms=newest_ms)
