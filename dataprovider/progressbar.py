"""The bar that every long command shows: what, how far, how long still, and a few words."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn


def progress_bar(console: Console, *, transient: bool = False) -> Progress:
    """Bars whose tasks have the field `text`. `transient`: nothing is left of them at the end."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[text]}"),
        console=console,
        transient=transient,
    )
