"""What a request may ask for: each parameter's form and bounds."""

from __future__ import annotations

from typing import Annotated

from ninja import Schema
from pydantic import BeforeValidator, Field

#: The last millisecond of 2099 and a little more: what times are searched up to.
MAX_TIME_MS = 4_102_444_800_000
MAX_ID = 2**63 - 1
#: In one answer.
MOST_TRADES, MOST_CANDLES = 10_000, 30_000
#: Minutes.
MOST_TIMEFRAME = 43_200


def _digits(value: object) -> object:
    """Whole numbers as ASCII digits only: pydantic alone would also take 1_000, " 10" and 10.0."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and len(value) <= 19):
        raise ValueError(f"must be a whole number (it is {value[:40]!r})")
    return value


Whole = BeforeValidator(_digits)
Time = Annotated[int, Whole, Field(ge=0, le=MAX_TIME_MS, description="Milliseconds since 1970 (UTC).")]


class LatestTrades(Schema):
    limit: Annotated[int, Whole, Field(ge=1, le=1000)] = 100


class Trades(Schema):
    start_time: Time | None = None
    end_time: Time | None = None
    from_id: Annotated[int, Whole, Field(ge=0, le=MAX_ID, description="Smallest aggregate id.")] | None = None
    limit: Annotated[int, Whole, Field(ge=1, le=MOST_TRADES)] = 1000
    cursor: Annotated[str, Field(max_length=60, description="Out of the Link header of the answer before.")] | None = (
        None
    )


class Candles(Schema):
    timeframe: Annotated[int, Whole, Field(ge=1, le=MOST_TIMEFRAME, description="Minutes; any number of them.")] = 1
    start_time: Time | None = None
    end_time: Time | None = None
    limit: Annotated[int, Whole, Field(ge=1, le=MOST_CANDLES)] = 500


class Coverage(Schema):
    from_id: Annotated[int, Whole, Field(ge=0, le=MAX_ID, description="Ranges that reach this id.")] = 0


def normal_symbol(symbol: str) -> str:
    """ASCII letters in upper case, as the exchange writes them; others are left as they are."""
    return "".join(letter.upper() if letter.isascii() else letter for letter in symbol)
