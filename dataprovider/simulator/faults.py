"""Faults that can be switched on while the exchange runs, and what they do to trades, answers and archives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from dataprovider.simulator.errors import SimulatorError
from dataprovider.simulator.frames import websocket_frame

if TYPE_CHECKING:
    from dataprovider.simulator.connection import Connection

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0, le=1)]
Symbols = list[str] | None

#: Frames no exchange should send, one after the other; `%s` is a symbol's stream, `%S` the symbol.
MALFORMED = (
    '{"stream":"%s@aggTrade","data":{"e":"aggTrade","E":17913829',
    '{"stream":"%s@aggTrade","data":{"e":"aggTrade","E":1,"a":-5,"s":"%S","p":"-1","q":"1e400","f":1,"l":0,"T":1,"m":false}}',
    '{"stream":"%s@aggTrade","data":{"e":"aggTrade","E":99999999999999999999,"a":99999999999999999999999,"s":"%S",'
    '"p":"123456789012345678901234567890.1","q":"0.0000000000000001","f":1,"l":1,"T":99999999999999999999,"m":false}}',
    '{"stream":"nosuchusdt@aggTrade","data":{"e":"aggTrade","E":1791382992488,"a":1,"s":"NOSUCHUSDT","p":"1","q":"1",'
    '"f":1,"l":1,"T":1791382992338,"m":false}}',
    '{"stream":"%s@aggTrade","data":{"e":"aggTrade","s":"%S"}}',
    '{"stream":"%s@aggTrade","data":null}',
    "[]",
    "not json at all",
)


class Fault(BaseModel):
    """A fault that is on. Subclasses are named by `fault` and documented by their docstring."""

    model_config = ConfigDict(extra="forbid")
    fault: str


class DropConnections(Fault):
    """Cut `count` stream connections (default: all) without a closing frame, once."""

    fault: Literal["drop_connections"]
    count: Count | None = None


class HalfOpen(Fault):
    """`count` of the connections open now (default: all) stay open and get nothing more, not even pongs."""

    fault: Literal["half_open"]
    count: Count | None = None


class Mute(Fault):
    """Subscriptions are acknowledged and pings answered, but no trade of these symbols (default: all) is sent."""

    fault: Literal["mute"]
    symbols: Symbols = None


class Duplicate(Fault):
    """This share of trades is sent twice."""

    fault: Literal["duplicate"]
    rate: Rate = 0.1


class Reorder(Fault):
    """This share of trades is sent after the trade that follows it."""

    fault: Literal["reorder"]
    rate: Rate = 0.1


class Skip(Fault):
    """The next `count` trades of a symbol are never sent; REST and archives have them."""

    fault: Literal["skip"]
    symbol: str
    count: Count = 1


class Malformed(Fault):
    """`count` broken frames are sent in between: cut JSON, absurd numbers, unknown symbols."""

    fault: Literal["malformed"]
    count: Count = 1


class Slow(Fault):
    """Frames are sent this much later."""

    fault: Literal["slow"]
    delay_ms: Annotated[int, Field(ge=1, le=600_000)] = 1000


class RateLimit(Fault):
    """Every REST request is answered 429, or 418 with a ban of `seconds`."""

    fault: Literal["rate_limit"]
    status: Literal[429, 418] = 429
    seconds: Count = 60


class RestError(Fault):
    """Every REST request is answered with this status: 403 firewall, 451 location, 5xx trouble."""

    fault: Literal["rest_error"]
    status: Literal[403, 451, 500, 502, 503, 504] = 503


class Absent(Fault):
    """The exchange itself lacks the ids first_id..last_id of a symbol: they are in no stream, no REST answer, no candle
    and no archive (but for those of --archive-overlay), and are not counted as sent. Cleared, they are there again.
    """

    fault: Literal["absent"]
    symbol: str
    first_id: Annotated[int, Field(ge=0)]
    last_id: int

    @field_validator("last_id")
    @classmethod
    def _not_before_the_first(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("first_id", value):
            raise ValueError("must not be below first_id")
        return value


class Archive(Fault):
    """Archives of a symbol, a date and a period (default: all) are wrong. `missing` and `late`: 404, though `late` ones
    are listed; `corrupt`: bytes changed under the right checksum; `checksum`: a checksum that never matches; `partial`:
    a first upload that lacks the last half of the rows, consistent in itself, to be replaced when the fault is cleared.
    """

    fault: Literal["archive"]
    kind: Literal["missing", "late", "corrupt", "checksum", "partial"]
    symbol: str | None = None
    date: str | None = None
    period: Literal["daily", "monthly"] | None = None


F = TypeVar("F", bound=Fault)


class Faults:
    """The faults that are on. `seed` decides which trades are hit."""

    KINDS: ClassVar[dict[str, type[Fault]]] = {
        kind.model_fields["fault"].annotation.__args__[0]: kind  # type: ignore[union-attr]
        for kind in (
            DropConnections,
            HalfOpen,
            Mute,
            Duplicate,
            Reorder,
            Skip,
            Malformed,
            Slow,
            RateLimit,
            RestError,
            Absent,
            Archive,
        )
    }

    def __init__(self, seed: int, symbols: Sequence[str]) -> None:
        self._draw = random.Random(seed)
        self._symbols = symbols
        #: Replaced, never changed: worker threads read it too.
        self._active: tuple[Fault, ...] = ()
        self._malformed = 0

    @property
    def active(self) -> list[dict[str, Any]]:
        return [fault.model_dump(exclude_none=True) for fault in self._active]

    @property
    def touch_trades(self) -> bool:
        """Whether trades must be looked at one by one."""
        return any(isinstance(fault, Mute | Duplicate | Reorder | Skip | Malformed) for fault in self._active)

    @property
    def delay_s(self) -> float:
        return max((fault.delay_ms / 1000 for fault in self.of(Slow)), default=0.0)

    def of(self, kind: type[F]) -> list[F]:
        return [fault for fault in self._active if isinstance(fault, kind)]

    def read(self, body: object) -> Fault:
        """The fault a request describes. Raises SimulatorError saying what is wrong and which faults there are."""
        name = body.get("fault") if isinstance(body, dict) else None
        kind = self.KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise SimulatorError(f"There is no fault {name!r}; there are: {', '.join(sorted(self.KINDS))}.")
        try:
            fault = kind.model_validate(body)
        except ValidationError as error:
            item = error.errors()[0]
            raise SimulatorError(f"{name}: {'.'.join(map(str, item['loc']))}: {item['msg']}.") from None
        named = [*(getattr(fault, "symbols", None) or ()), *filter(None, [getattr(fault, "symbol", None)])]
        unknown = [symbol for symbol in named if symbol not in self._symbols]
        if unknown:
            raise SimulatorError(f"{name}: there is no symbol {unknown[0]!r}.")
        return fault

    def switch_on(self, fault: Fault) -> None:
        self._active = (*self._active, fault)

    def clear(self) -> None:
        self._active = ()

    def switch_off(self, fault: Fault) -> None:
        self._active = tuple(active for active in self._active if active is not fault)

    def kept(self, symbol: str, start: int, end: int) -> list[tuple[int, int]]:
        """Which of the trades at positions start..end-1 are sent at all."""
        for mute in self.of(Mute):
            if mute.symbols is None or symbol in mute.symbols:
                return []
        for skip in self.of(Skip):
            if skip.symbol == symbol:
                skipped = min(skip.count, end - start)
                start += skipped
                skip.count -= skipped
                if not skip.count:
                    self.switch_off(skip)
        return [(start, end)] if start < end else []

    def spoiled(self, connection: Connection, contract: int, frames: list[bytes]) -> list[bytes]:
        """The frames of one contract as they go out on one connection."""
        duplicate = max((fault.rate for fault in self.of(Duplicate)), default=0.0)
        reorder = max((fault.rate for fault in self.of(Reorder)), default=0.0)
        out: list[bytes] = []
        for frame in frames:
            held = connection.held.pop(contract, None)
            if held is None and self._draw.random() < reorder:
                connection.held[contract] = frame
                continue
            out.append(frame)
            if self._draw.random() < duplicate:
                out.append(frame)
            if held is not None:
                out.append(held)
        for malformed in self.of(Malformed):
            out.append(self._broken(contract))
            malformed.count -= 1
            if not malformed.count:
                self.switch_off(malformed)
        return out

    def _broken(self, contract: int) -> bytes:
        text = MALFORMED[self._malformed % len(MALFORMED)]
        self._malformed += 1
        symbol = self._symbols[contract]
        return websocket_frame(text.replace("%s", symbol.lower()).replace("%S", symbol).encode())
