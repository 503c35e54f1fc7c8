"""The shapes of the dashboard's answers. A field is null when the service that knows it does not answer."""

from __future__ import annotations

from ninja import Schema
from pydantic import Field

from api.shapes import Envelope
from api.system.shapes import Weight
from api.tickers.state import State
from integrity.checks.months import MonthState

_MS = "Milliseconds since 1970 (UTC)."


class OverviewTotals(Schema):
    symbols: int
    collecting: int | None
    rows: int | None = Field(description="Aggregated trades stored.")
    trades_per_s: float | None
    lag_ms: float | None = Field(description="From the exchange's event time to its handling here; the slowest worker.")
    storage_delay_ms: int | None = Field(
        description="Age of the oldest trade received that ClickHouse does not have yet; null: no worker says."
    )
    open_gaps: int | None
    missing_ids: int | None
    checked_at: int | None = Field(description=f"The last integrity check that found something new. {_MS}")


class OverviewWorker(Schema):
    owner: str
    number: int
    shards: list[int]
    symbols: int
    subscribed: int
    connections: int
    trades_per_s: float
    lag_ms: float
    storage_delay_ms: int = Field(description="Age of the oldest of its trades that ClickHouse does not have yet.")
    waiting_rows: int = Field(description="Trades in memory that are not stored yet.")
    spooled_batches: int = Field(description="Batches on disk, while ClickHouse does not take them.")
    reconnects: int
    said_at: int = Field(description=_MS)


class OverviewJob(Schema):
    id: int
    symbol: str
    range: str
    status: str = Field(description="running, waiting or set aside.")
    done: float = Field(description="The part that is behind it, 0 to 1.")
    seconds_left: int | None
    rows_stored: int
    reason: str


class OverviewJobs(Schema):
    running: int
    waiting: int
    set_aside: int
    shown: list[OverviewJob] = Field(description="The first 30, those that run first.")


class OverviewTicker(Schema):
    symbol: str
    state: State
    price: str | None = Field(description="Of the last trade, with its exact digits.")
    trades_per_s: float | None = Field(description="Aggregated trades of the last minute or two.")
    seen_at: int | None = Field(description=f"When its last trade came. {_MS}")
    quality: str = Field(description="loading, partial (a gap is open), complete or unknown.")
    complete_until: int | None = Field(description=f"Up to it completeness is proven. {_MS}")
    open_gaps: int | None
    missing_ids: int | None


class OverviewData(Schema):
    totals: OverviewTotals
    workers: list[OverviewWorker]
    weight: Weight
    jobs: OverviewJobs | None
    tickers: list[OverviewTicker]
    unavailable: list[str] = Field(description="Services that do not answer now: what only they know is null.")


class OverviewAnswer(Envelope):
    data: OverviewData


class Month(Schema):
    month: str = Field(description="2024-01")
    state: MonthState
    rows: int | None
    missing: int | None
    duplicates: int | None
    absent: int | None = Field(description="Ids that the exchange itself does not have.")
    open_gaps: int
    checked_at: int | None = Field(description=f"null: not checked yet. {_MS}")


class MonthsAnswer(Envelope):
    data: list[Month]
