"""Numbered .sql files, applied once each, in order.

A file holds statements that each end in `;` at the end of a line, written so that running them again does no harm
(IF NOT EXISTS): a file that was cut off half-way is simply run again. What was applied is in `schema_migrations`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable

from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.client import ClickHouse
from dataprovider.clickhouse.errors import SchemaChanged


@dataclass(frozen=True)
class Migration:
    """One file: its name without `.sql`, its statements, and the SHA-256 of its text."""

    name: str
    statements: tuple[str, ...]
    sha256: str


def migrate(target: ClickHouse | Address, folder: Traversable | None = None) -> list[str]:
    """Make the database if it is not there and apply what is new in `folder` (default: ours); return those names.

    Two runners at once do no harm. Raises SchemaChanged when a file that was applied is not the same any more, before
    anything is applied, and the client's errors.
    """
    address = target.address if isinstance(target, ClickHouse) else target
    wanted = read_migrations(folder or files("dataprovider.clickhouse") / "migrations")
    _make_database(address)
    clickhouse = target if isinstance(target, ClickHouse) else ClickHouse(address, pool_size=1)
    try:
        return _apply(clickhouse, wanted)
    finally:
        if clickhouse is not target:
            clickhouse.close()


def read_migrations(folder: Traversable) -> list[Migration]:
    """Every .sql file of `folder`, sorted by name."""
    found = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    return [_read(file) for file in sorted(found, key=lambda file: file.name)]


def _read(file: Traversable) -> Migration:
    text = file.read_text(encoding="utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
    parts = (part.strip().removesuffix(";") for part in f"{code}\n".split(";\n"))
    return Migration(
        name=file.name.removesuffix(".sql"),
        statements=tuple(part for part in parts if part),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def _apply(clickhouse: ClickHouse, wanted: list[Migration]) -> list[str]:
    clickhouse.run("create_schema_migrations")
    recorded = dict(clickhouse.run("applied_migrations"))
    for migration in wanted:
        if recorded.get(migration.name, migration.sha256) != migration.sha256:
            raise SchemaChanged(
                f"Migration {migration.name}.sql was changed after it was applied to {clickhouse.address.database!r}: "
                "restore the file and put the change into a new one with the next number."
            )
    applied = []
    for migration in wanted:
        if migration.name in recorded:
            continue
        for statement in migration.statements:
            clickhouse.run_text(statement)
        # The token makes one row of what two runners say at once.
        token = f"{migration.name}:{migration.sha256}"
        clickhouse.run("record_migration", token=token, name=migration.name, sha256=migration.sha256)
        applied.append(migration.name)
    return applied


def _make_database(address: Address) -> None:
    """Made only when it is missing: a user who may not make databases can still migrate one that is there."""
    server = ClickHouse(replace(address, database=""), pool_size=1)
    try:
        if not server.run("database_exists", database=address.database):
            server.run("create_database", database=address.database)
    finally:
        server.close()
