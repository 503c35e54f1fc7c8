"""What a person sees while the system runs: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from dataprovider.heartbeat import WorkerStatus

PLAIN_SECONDS = 5.0
EVENTS_SHOWN = 6
#: Below so many columns of the terminal some columns of the table are left out.
WIDE = 100
COLUMNS = (
    "worker",
    "pid",
    "shards",
    "symbols",
    "conn.",
    "trades/s",
    "lag ms",
    "stored",
    "waiting",
    "gaps",
    "dead letters",
)
LEFT_OUT_WHEN_NARROW = ("pid", "shards", "conn.", "dead letters")


@dataclass(frozen=True)
class Snapshot:
    """One moment. `stored` is ClickHouse's own count of rows, `open_gaps` Postgres' of gaps; None: no answer."""

    workers: Sequence[WorkerStatus]
    stored: int | None
    open_gaps: int | None = None
    expected_symbols: int | None = None
    sent: int | None = None
    left_seconds: float | None = None
    #: What keeps the system from collecting everything, a sentence each.
    problems: Sequence[str] = ()


@dataclass
class View:
    """Shows snapshots and events. `links`: name -> address, shown as they are."""

    title: str
    links: dict[str, str]
    console: Console = field(default_factory=Console)
    _live: Live | None = None
    _events: list[str] = field(default_factory=list)
    _next_plain: float = 0.0

    def __enter__(self) -> View:
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=False)
            self._live.start()
        else:
            for name, address in self.links.items():
                self.console.print(f"{name}: {address}", soft_wrap=True, highlight=False, markup=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def event(self, text: str) -> None:
        """Something happened."""
        stamped = f"{time.strftime('%H:%M:%S')} {text}"
        if self._live is None:
            self.console.print(stamped, soft_wrap=True, highlight=False, markup=False)
        else:
            self._events = [*self._events, stamped][-EVENTS_SHOWN:]

    def show(self, snapshot: Snapshot) -> None:
        """The newest numbers; without a terminal a line every few seconds."""
        if self._live is not None:
            self._live.update(self._page(snapshot))
        elif time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + PLAIN_SECONDS
            for line in (_line(snapshot), *snapshot.problems):
                self.console.print(line, soft_wrap=True, highlight=False, markup=False)

    def _page(self, snapshot: Snapshot) -> Group:
        links = Table.grid(padding=(0, 2))
        for name, address in self.links.items():
            links.add_row(Text(name, style="bold"), Text(address))
        parts: list[Panel | Table | Text] = [
            Panel(links, title=self.title, title_align="left", expand=False),
            Text(_line(snapshot)),
            _table(snapshot.workers, narrow=self.console.width < WIDE),
            *(Text(problem, style="bold yellow") for problem in snapshot.problems),
        ]
        parts.extend(Text(event, style="yellow") for event in self._events)
        return Group(*parts)


def _table(workers: Sequence[WorkerStatus], *, narrow: bool) -> Table:
    table = Table(expand=False)
    shown = [index for index, name in enumerate(COLUMNS) if not (narrow and name in LEFT_OUT_WHEN_NARROW)]
    for index in shown:
        table.add_column(COLUMNS[index], justify="left" if index == 0 else "right", no_wrap=True)
    for worker in workers:
        waiting = f"{worker.buffered_rows:,}"
        if worker.spooled_batches:
            waiting += f" + {worker.spooled_batches} spooled"
        cells = (
            str(worker.worker),
            str(worker.pid),
            str(len(worker.shards)),
            f"{worker.subscribed}/{worker.symbols}",
            str(worker.connections),
            f"{worker.trades_per_s:,.0f}",
            f"{worker.lag_ms:,.0f}",
            f"{worker.stored:,}",
            waiting,
            str(worker.gaps),
            str(worker.dead_letters),
        )
        table.add_row(*(cells[index] for index in shown))
    return table


def _line(snapshot: Snapshot) -> str:
    workers = snapshot.workers
    symbols = sum(worker.subscribed for worker in workers)
    of = f"/{snapshot.expected_symbols}" if snapshot.expected_symbols else ""
    parts = [
        f"symbols {symbols}{of}",
        f"trades/s {sum(worker.trades_per_s for worker in workers):,.0f}",
        f"lag {max((worker.lag_ms for worker in workers), default=0.0):,.0f} ms",
        "rows –" if snapshot.stored is None else f"rows in all {snapshot.stored:,}",
        "open gaps –" if snapshot.open_gaps is None else f"open gaps {snapshot.open_gaps:,}",
        f"workers {len(workers)}",
    ]
    if snapshot.sent is not None:
        parts.append(f"sent in this run {snapshot.sent:,}")
    if snapshot.left_seconds is not None:
        parts.append(f"{snapshot.left_seconds:.0f} s left")
    return "   ".join(parts)
