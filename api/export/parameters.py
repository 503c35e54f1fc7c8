"""What an export may be asked for."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from ninja import Schema
from pydantic import Field

from api.parameters import LEFT_OUT, MAX_ID, Time, Whole

Id = Annotated[int, Field(ge=0, le=MAX_ID), Whole]


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
    start_time: Annotated[Time | None, LEFT_OUT] = None
    end_time: Annotated[Time | None, LEFT_OUT] = None
    format: Annotated[Format, Field(description="csv, parquet, or arrow (the IPC stream).")] = Format.CSV


class TradesExport(Asked):
    from_id: Annotated[Annotated[Id, Field(description="Smallest aggregate id.")] | None, LEFT_OUT] = None
    to_id: Annotated[Annotated[Id, Field(description="Largest aggregate id.")] | None, LEFT_OUT] = None


class CandlesExport(Asked):
    timeframe: Annotated[int, Field(ge=1, le=43_200, description="Minutes; any number of them."), Whole] = 1
