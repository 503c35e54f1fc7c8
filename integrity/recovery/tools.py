"""What a recovery run works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from collectors.backoff import Waiting
from collectors.binance.archive import Archives
from collectors.binance.clock import ExchangeClock
from collectors.binance.rest import Rest
from collectors.binance.weight import Priority
from dataprovider.clickhouse import ClickHouse


@dataclass(frozen=True, slots=True)
class Tools:
    """The store, the exchange and its clock, and the settings of recovery."""

    store: ClickHouse
    rest: Callable[[Priority, Callable[[], bool]], Rest]
    archives: Archives
    clock: ExchangeClock
    #: A folder for downloads; what is in it can be fetched again.
    folder: Path
    look_back_ms: int
    give_up_days: int
    closing: Callable[[], None]
    #: The contracts that workers collect, when not all are (LOAD_ONLY_TICKERS).
    only: tuple[str, ...] = ()
    waiting: Waiting = field(default_factory=Waiting)

    def close(self) -> None:
        """Close every connection."""
        self.closing()
