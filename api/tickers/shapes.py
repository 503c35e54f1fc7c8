"""The shapes of the answers about contracts. A field is null when the service that knows it does not answer."""

from __future__ import annotations

from ninja import Schema
from pydantic import Field

from api.shapes import Envelope
from api.tickers.state import State

_MS = "Milliseconds since 1970 (UTC)."
_UNAVAILABLE = "Services that do not answer now: what only they know is null."


class Ticker(Schema):
    symbol: str
    state: State = Field(description="Whether it is collected now, and if not why not.")
    enabled: bool | None = Field(description="false: paused.")
    status: str | None = Field(description="The exchange's own: TRADING, PENDING_TRADING, SETTLING, DELISTED, OTHER.")
    contract_type: str | None
    pair: str | None
    base_asset: str | None
    quote_asset: str | None
    tick_size: str | None
    step_size: str | None
    onboard_time: int | None = Field(description=f"When the exchange listed it. {_MS}")
    delivery_time: int | None = Field(description=f"null for a perpetual contract. {_MS}")
    rows: int | None = Field(description="Aggregated trades stored.")
    first_id: int | None
    last_id: int | None
    open_gaps: int | None = Field(description="Gaps that are not closed.")
    missing_ids: int | None = Field(description="Aggregate ids that these gaps name.")


class TickersAnswer(Envelope):
    data: list[Ticker]


class TickerDetail(Ticker):
    first_time: int | None = Field(description=f"Of the first stored trade. {_MS}")
    last_time: int | None = Field(description=f"Of the last stored trade. {_MS}")
    unavailable: list[str] = Field(description=_UNAVAILABLE)


class TickerDetailAnswer(Envelope):
    data: TickerDetail


class TickerWorker(Schema):
    owner: str
    number: int
    pid: int | None
    trades_per_s: float | None = Field(description="Of all its symbols.")
    lag_ms: float | None = Field(description="From the exchange's event time to its handling here.")
    said_at: int | None = Field(description=_MS)


class TickerGaps(Schema):
    open: int
    recovering: int
    missing_ids: int


class TickerJobs(Schema):
    waiting: int
    running: int


class TickerTrust(Schema):
    trust_id: int = Field(description="Up to it every id is stored or absent upstream, by the last check.")
    trust_time: int
    missing: int
    duplicates: int
    checked_at: int


class TickerBoundary(Schema):
    at: int = Field(description=_MS)
    cause: str
    verdict: str = Field(description="first, contiguous, overlap or gap.")


class DataStatus(Schema):
    historical_loading: bool | None = Field(description="A backfill of it is not finished.")
    gap_recovery: bool | None = Field(description="Something of it is being fetched.")
    data_quality: str = Field(description="loading, partial (a gap is open), complete or unknown.")
    last_complete_timestamp: int | None = Field(description=f"Up to it completeness is proven. {_MS}")


class TickerStatus(Schema):
    symbol: str
    state: State
    reason: str = Field(description="The state as a sentence.")
    enabled: bool | None
    shard: int | None
    worker: TickerWorker | None = Field(description="null: nobody collects it.")
    rows: int | None
    last_id: int | None
    last_time: int | None = Field(description=_MS)
    gaps: TickerGaps | None
    jobs: TickerJobs | None = Field(description="Recovery jobs that are not finished.")
    trust: TickerTrust | None = Field(description="null: not checked yet.")
    last_boundary: TickerBoundary | None = Field(description="Its last connect, reconnect or start.")
    data_status: DataStatus
    unavailable: list[str] = Field(description=_UNAVAILABLE)


class TickerStatusAnswer(Envelope):
    data: TickerStatus


class TickerLine(Schema):
    symbol: str
    state: State
    shard: int | None
    worker: str | None = Field(description="Owner/number of who collects it.")
    rows: int | None
    last_id: int | None
    open_gaps: int | None
    missing_ids: int | None
    trust_id: int | None


class TickersOverview(Schema):
    total: int
    by_state: dict[str, int]
    open_gaps: int | None
    missing_ids: int | None
    rows: int | None
    tickers: list[TickerLine]
    unavailable: list[str] = Field(description=_UNAVAILABLE)


class TickersOverviewAnswer(Envelope):
    data: TickersOverview


class Projection(Schema):
    name: str
    grain: str = Field(description="minute or day: it holds one row for each that has trades.")
    serves: list[str] = Field(description="The endpoints that are answered from it.")
    groups: int = Field(description="Minutes or days with trades of this symbol.")
    parts: int = Field(description="Parts of the table's partitions that hold the symbol; it shares them with others.")
    parts_with_projection: int = Field(description="Of them those it is built in; the others are read row by row.")
    rows: int
    bytes_on_disk: int


class Timeframes(Schema):
    shortest: int = Field(description="Minutes.")
    longest: int = Field(description="Minutes.")
    step: int = Field(description="Minutes.")


class TickerAggregates(Schema):
    symbol: str
    materialized_views: list[str] = Field(description="Always empty: projections of the one table take their place.")
    timeframes: Timeframes = Field(description="Candles are made of the stored minutes when they are asked for.")
    first_minute: int | None = Field(description=_MS)
    last_minute: int | None = Field(description=_MS)
    projections: list[Projection]


class TickerAggregatesAnswer(Envelope):
    data: TickerAggregates


class Switched(Schema):
    symbol: str
    enabled: bool
    changed: bool = Field(description="false: it was so already.")


class SwitchedAnswer(Envelope):
    data: Switched
