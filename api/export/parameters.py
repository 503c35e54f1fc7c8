"""What an export may be asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ninja import Schema
from pydantic import Field

from api.parameters import MAX_ID, Time, Whole

Id = Annotated[int, Whole, Field(ge=0, le=MAX_ID)]


class Format(StrEnum):
    """The kinds of file; each is also its ending."""

    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def content_type(self) -> str:
        return {
            Format.CSV: "text/csv; charset=utf-8",
            Format.PARQUET: "application/vnd.apache.parquet",
            Format.ARROW: "application/vnd.apache.arrow.stream",
        }[self]


class Asked(Schema):
    start_time: Time | None = None
    end_time: Time | None = None
    format: Annotated[Format, Field(description="csv, parquet, or arrow (the IPC stream).")] = Format.CSV


class TradesExport(Asked):
    from_id: Annotated[Id, Field(description="Smallest aggregate id.")] | None = None
    to_id: Annotated[Id, Field(description="Largest aggregate id.")] | None = None


class CandlesExport(Asked):
    timeframe: Annotated[int, Whole, Field(ge=1, le=43_200, description="Minutes; any number of them.")] = 1
