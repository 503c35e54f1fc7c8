"""Numbered .sql files, applied once each, in order.

A file holds statements that each end in `;` at the end of a line, written so that running them again does no harm
(IF NOT EXISTS): a file that was cut off half-way is simply run again. What was applied is in `schema_migrations`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable

from dataprovider.clickhouse import placement as placements
from dataprovider.clickhouse.address import Address
from dataprovider.clickhouse.cluster import join
from dataprovider.clickhouse.errors import ClickHouseRejected, ClickHouseUnavailable, SchemaChanged
from dataprovider.clickhouse.node import Node


@dataclass(frozen=True)
class Migration:
    """One file: its name without `.sql`, its statements, and the SHA-256 of its text."""

    name: str
    statements: tuple[str, ...]
    sha256: str


def migrate(
    addresses: Address | Sequence[Address], folder: Traversable | None = None, *, away: list[Address] | None = None
) -> list[str]:
    """Make the database on each node if it is not there, apply what is new in `folder` (default: ours) and join the
    nodes; the names of what was applied anywhere.

    A node that is away is left out if the others know already what lives where: it is caught up on by the next run, and
    named in `away` when that is given.

    Two runners at once do no harm. Raises SchemaChanged when a file that was applied to any node is not the same any
    more, before anything is applied; NodesDisagree as `join` does; and the client's errors.
    """
    addresses = (addresses,) if isinstance(addresses, Address) else addresses
    wanted = read_migrations(folder or files("dataprovider.clickhouse") / "migrations")
    reached = _reached(addresses)
    if away is not None:
        away += [address for address in addresses if address not in reached]
    nodes = [Node(address, pool_size=1) for address in reached]
    try:
        missing = [_missing(node, wanted) for node in nodes]
        for node, migrations in zip(nodes, missing, strict=True):
            _apply(node, migrations)
        if folder is None and len(reached) == len(addresses):
            join(nodes)
    finally:
        for node in nodes:
            node.close()
    applied = {migration.name for migrations in missing for migration in migrations}
    return [migration.name for migration in wanted if migration.name in applied]


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


def _missing(node: Node, wanted: list[Migration]) -> list[Migration]:
    """What was not applied to this node."""
    node.run("statements", "create_schema_migrations", {})
    recorded = dict(node.run("statements", "applied_migrations", {}))
    for migration in wanted:
        if recorded.get(migration.name, migration.sha256) != migration.sha256:
            raise SchemaChanged(
                f"Migration {migration.name}.sql was changed after it was applied to {node.address.database!r} at "
                f"{node.address}: restore the file and put the change into a new one with the next number."
            )
    return [migration for migration in wanted if migration.name not in recorded]


def _apply(node: Node, migrations: list[Migration]) -> None:
    for migration in migrations:
        for statement in migration.statements:
            node.run_text(statement)
        # The token makes one row of what two runners say at once.
        token = f"{migration.name}:{migration.sha256}"
        params = {"name": migration.name, "sha256": migration.sha256}
        node.run("statements", "record_migration", params, token=token)


def _reached(addresses: Sequence[Address]) -> list[Address]:
    """The nodes that answer, with a database each; raises what one that is away raised, unless it is missed only for a
    while."""
    reached = []
    failure: ClickHouseUnavailable | None = None
    for address in addresses:
        try:
            _make_database(address)
        except ClickHouseUnavailable as error:
            failure = failure or error
        else:
            reached.append(address)
    if failure is not None and not any(map(_is_told, reached)):
        raise failure
    return reached


def _is_told(address: Address) -> bool:
    """Whether this node knows where each shard lives."""
    node = Node(address, pool_size=1)
    try:
        return placements.read(node) is not None
    except ClickHouseRejected:
        # It has no tables yet.
        return False
    finally:
        node.close()


def _make_database(address: Address) -> None:
    """Made only when it is missing: a user who may not make databases can still migrate one that is there."""
    server = Node(replace(address, database=""), pool_size=1)
    database = {"database": address.database}
    try:
        if not server.run("statements", "database_exists", database):
            server.run("statements", "create_database", database)
    finally:
        server.close()
