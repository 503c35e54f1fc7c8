"""What a request may ask for: each parameter's form and bounds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from ninja import Schema
from pydantic import BeforeValidator, Field

#: The last millisecond of 2099 and a little more: what times are searched up to.
MAX_TIME_MS = 4_102_444_800_000
MAX_ID = 2**63 - 1
#: In one answer.
MOST_TRADES, MOST_CANDLES = 10_000, 30_000
#: Minutes.
MOST_TIMEFRAME = 43_200


_WHOLE = re.compile(r"-?[0-9]{1,100}", re.ASCII)


def _digits(value: object) -> object:
    """Whole numbers as ASCII digits only: pydantic alone would also take 1_000, " 10" and 10.0."""
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError(f"must be a whole number (it is {value[:40]!r})")
    return value


#: Behind the bounds in an Annotated: else they are not in the documentation.
Whole = BeforeValidator(_digits)
Time = Annotated[int, Field(ge=0, le=MAX_TIME_MS, description="Milliseconds since 1970 (UTC)."), Whole]


def _without_null(schema: dict[str, Any]) -> None:
    schema.update(schema.pop("anyOf")[0])


#: For what may be left out: there is no way to write null in an address, and the documentation names none.
LEFT_OUT = Field(json_schema_extra=_without_null)


class LatestTrades(Schema):
    limit: Annotated[int, Field(ge=1, le=1000), Whole] = 100


class Trades(Schema):
    start_time: Annotated[Time | None, LEFT_OUT] = None
    end_time: Annotated[Time | None, LEFT_OUT] = None
    from_id: Annotated[
        Annotated[int, Field(ge=0, le=MAX_ID, description="Smallest aggregate id."), Whole] | None, LEFT_OUT
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_TRADES), Whole] = 1000
    cursor: Annotated[
        Annotated[str, Field(max_length=60, description="Out of the Link header of the answer before.")] | None,
        LEFT_OUT,
    ] = None


class Candles(Schema):
    timeframe: Annotated[int, Field(ge=1, le=MOST_TIMEFRAME, description="Minutes; any number of them."), Whole] = 1
    start_time: Annotated[Time | None, LEFT_OUT] = None
    end_time: Annotated[Time | None, LEFT_OUT] = None
    limit: Annotated[int, Field(ge=1, le=MOST_CANDLES), Whole] = 500


class Coverage(Schema):
    from_id: Annotated[int, Field(ge=0, le=MAX_ID, description="Ranges that reach this id."), Whole] = 0


def normal_symbol(symbol: str) -> str:
    """ASCII letters in upper case, as the exchange writes them; others are left as they are."""
    return "".join(letter.upper() if letter.isascii() else letter for letter in symbol)
