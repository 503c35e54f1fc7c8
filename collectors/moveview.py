"""What a person sees of a shard on its way: a bar of what is being copied; plain lines elsewhere."""

from __future__ import annotations

import time

from rich.console import Console

from dataprovider.progressbar import progress_bar

PLAIN_SECONDS = 5.0


class MoveView:
    """Shows one move while it is open."""

    def __init__(self, console: Console, shard: int, where: str) -> None:
        """`where`: the name of the node it moves to."""
        self._console = console
        self._name = f"shard {shard} to {where}"
        self._began = self._plain_at = time.monotonic()
        self._progress = progress_bar(console, transient=True)
        self._bar = self._progress.add_task(self._name, total=None, text="")

    def __enter__(self) -> MoveView:
        if self._console.is_terminal:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, text: str) -> None:
        """Something is done, or begins."""
        self._print(text)
        self._progress.update(self._bar, total=None)

    def copying(self, left: int, total: int) -> None:
        """How many trades of this round are still to be copied."""
        done = total - left
        self._progress.update(self._bar, total=total or 1, completed=done, text=f"{left:,} trades left")
        now = time.monotonic()
        if not self._console.is_terminal and now - self._plain_at >= PLAIN_SECONDS:
            self._plain_at = now
            self._print(f"{done:,} of {total:,} trades copied")

    def _print(self, text: str) -> None:
        passed = time.monotonic() - self._began
        self._console.print(f"{self._name}: {text} ({passed:.1f} s)", soft_wrap=True, highlight=False, markup=False)
