"""What a person sees of a backfill: a bar for each symbol that is worked on, and one for all; plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import TaskID

from dataprovider.progressbar import progress_bar
from integrity.recovery.backfill import SymbolProgress

PLAIN_SECONDS = 5.0
#: With more symbols than this only those that are being worked on have a bar.
MOST_BARS = 12


class BackfillView:
    """Shows progress while it is open."""

    def __init__(self, console: Console, symbols: int) -> None:
        self._console = console
        self._symbols = symbols
        self._bars: dict[str, TaskID] = {}
        self._next_plain = time.monotonic() + PLAIN_SECONDS
        self._began = time.monotonic()
        self._progress = progress_bar(console)

    def __enter__(self) -> BackfillView:
        if self._console.is_terminal:
            self._bars["all"] = self._progress.add_task("[bold]all", text="")
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, symbols: Sequence[SymbolProgress]) -> None:
        """The newest numbers."""
        done, total = sum(each.done for each in symbols), sum(each.total for each in symbols)
        read, stored = sum(each.read for each in symbols), sum(each.stored for each in symbols)
        rate = read / max(0.001, time.monotonic() - self._began)
        text = f"{stored:,} stored, {rate:,.0f} trades/s read"
        if self._console.is_terminal:
            self._progress.update(self._bars["all"], total=total or 1, completed=done, text=text)
            self._show_symbols(symbols)
        elif time.monotonic() >= self._next_plain:
            self._next_plain = time.monotonic() + PLAIN_SECONDS
            at = ", ".join(f"{each.symbol} {each.position}" for each in symbols if each.position)
            left = self._left(done, total)
            self._console.print(
                f"{done / max(1, total):.1%} done, {text}{left}. {at}", soft_wrap=True, highlight=False, markup=False
            )

    def _show_symbols(self, symbols: Sequence[SymbolProgress]) -> None:
        shown = [each for each in symbols if each.position or len(symbols) <= MOST_BARS][:MOST_BARS]
        for name in [name for name in self._bars if name != "all" and name not in {each.symbol for each in shown}]:
            self._progress.remove_task(self._bars.pop(name))
        for each in shown:
            if each.symbol not in self._bars:
                self._bars[each.symbol] = self._progress.add_task(each.symbol, text="")
            self._progress.update(
                self._bars[each.symbol],
                total=each.total or 1,
                completed=each.done,
                text=f"{each.stored:,} stored {each.position}",
            )

    def _left(self, done: float, total: int) -> str:
        passed = time.monotonic() - self._began
        if not done or passed < PLAIN_SECONDS:
            return ""
        return f", about {passed * (total - done) / done:,.0f} s left"
