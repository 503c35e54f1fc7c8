"""What `runexchange` can be told, checked, with one sentence for whatever is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dataprovider.simulator.errors import SimulatorError


class Options(BaseModel):
    """See `manage.py runexchange --help`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 0
    #: A number of made-up contracts, or a saved exchangeInfo answer.
    symbols: int | Path | None = None
    rate: Annotated[float, Field(gt=0, le=1_000_000, allow_inf_nan=False)] = 1000.0
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    archive_dir: Path | None = None
    replay_speed: Annotated[float, Field(gt=0, le=10_000_000, allow_inf_nan=False)] = 1.0
    state_dir: Path | None = None
    history_days: Annotated[int, Field(ge=0, le=366)] = 3
    paused: bool = False
    archive_delay_hours: Annotated[float, Field(ge=-1, le=10_000)] = 8.0
    #: Archives laid over those of the market, looked up at every request.
    archive_overlay: Path | None = None
    look_back_hours: Annotated[float, Field(gt=0, le=100_000)] = 48.0
    weight_limit: Annotated[int, Field(ge=1)] = 2400
    connection_attempts: Annotated[int, Field(ge=1)] = 300
    ping_seconds: Annotated[float, Field(gt=0)] = 180.0
    pong_seconds: Annotated[float, Field(gt=0)] = 600.0
    life_seconds: Annotated[float, Field(gt=0)] = 86_400.0
    buffer_megabytes: Annotated[float, Field(gt=0)] = 64.0

    @field_validator("symbols", mode="before")
    @classmethod
    def _number_or_file(cls, value: object) -> object:
        if value is None or isinstance(value, Path):
            return value
        text = str(value)
        if text.lstrip("-").isdecimal():
            if not 1 <= int(text) <= 10_000:
                raise ValueError("must be from 1 to 10000, or a file with a saved exchangeInfo answer")
            return int(text)
        return Path(text)


def read_options(given: Mapping[str, Any]) -> Options:
    """Checked options; None means not given. Raises SimulatorError with one sentence."""
    try:
        return Options(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        item = error.errors()[0]
        option = f"--{str(item['loc'][0]).replace('_', '-')}"
        message = str(item["msg"]).removeprefix("Value error, ")
        raise SimulatorError(f"{option}: {message[0].lower()}{message[1:]} (it is {item['input']!r}).") from None
