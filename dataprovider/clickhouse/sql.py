"""SQL lives in files, one statement each, found by name; none is ever put together from strings."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Literal

Folder = Literal["queries", "statements"]


@cache
def sql(folder: Folder, name: str) -> str:
    """The text of `<folder>/<name>.sql`: `queries` read the trades, `statements` change something or ask the server.

    Raises FileNotFoundError for a name that has no file.
    """
    return (files("dataprovider.clickhouse") / folder / f"{name}.sql").read_text(encoding="utf-8")


def query_names() -> list[str]:
    """Every named query, sorted."""
    found = (files("dataprovider.clickhouse") / "queries").iterdir()
    return sorted(file.name.removesuffix(".sql") for file in found if file.name.endswith(".sql"))
