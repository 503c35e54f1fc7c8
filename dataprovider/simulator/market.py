"""What the faces of the simulator (REST, streams, archives, control) ask of a market."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from dataprovider.simulator.frames import TradeFrames
from dataprovider.simulator.symbols import Contract
from dataprovider.simulator.trades import Trades

#: The exchange sends in ticks of this many milliseconds.
TICK_MS = 5


class Run(NamedTuple):
    """Trades of one contract that are sent together: positions start..end-1 of `frames.trades`."""

    contract: int
    frames: TradeFrames
    start: int
    end: int


class Skipped(NamedTuple):
    """Time the clock jumped over: trades sent after `after_ms` and until `until_ms` (their event time) never were."""

    after_ms: int
    until_ms: int


class Market(Protocol):
    """Trades of all contracts. Times are milliseconds of the exchange's clock.

    Ids given and taken are aggregate ids. A trade is visible from its event time on. The reading methods may be called
    from any thread and raise KeyError for an unknown symbol; the others belong to the event loop's thread.
    """

    @property
    def kind(self) -> str:
        """made-up or replay."""
        ...

    @property
    def contracts(self) -> Sequence[Contract]: ...

    @property
    def running(self) -> bool: ...

    @property
    def finished(self) -> bool: ...

    def now_ms(self) -> int:
        """The exchange's clock."""
        ...

    @property
    def clock_offset_ms(self) -> int:
        """How far the clock was moved forward in all."""
        ...

    def advance(self, ms: int) -> Skipped:
        """Move the clock forward at once. Trades of the skipped time have happened, but `due` never gives them.

        Raises SimulatorError where the clock cannot be moved.
        """
        ...

    def start(self) -> None:
        """Let trades happen from now on; nothing if they already do."""
        ...

    def stop(self) -> int:
        """Halt the market at the end of the current tick and return that time: what is sent until then is the rest."""
        ...

    def due(self, until_ms: int) -> list[Run]:
        """Runs to be sent until then that were not handed out before, in each contract's order."""
        ...

    def ids(self, symbol: str, now_ms: int) -> tuple[int, int]:
        """First visible id, and the id after the last visible one (equal when there is none)."""
        ...

    def first_id_since(self, symbol: str, time_ms: int, now_ms: int) -> int:
        """Id of the first visible trade at or after a time; the id after the last visible one when there is none."""
        ...

    def time_of(self, symbol: str, first_id: int, now_ms: int) -> int | None:
        """Time of the first visible trade with this id or a higher one; None when there is none."""
        ...

    def read(self, symbol: str, first_id: int, end_id: int) -> Iterator[Trades]:
        """Trades with ids first_id..end_id-1, ascending, in pieces."""
        ...

    def latest(self, symbol: str, count: int, end_id: int) -> Trades:
        """The last `count` trades below an id, ascending."""
        ...
