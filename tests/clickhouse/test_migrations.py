"""Migrations: applied once, refused when changed, finished when cut off, harmless when run twice at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command

from dataprovider.clickhouse import Address, ClickHouse, ClickHouseRejected, SchemaChanged, migrate

OURS = ["0001_trades_local", "0002_shard_epochs", "0003_revoked_claims", "0004_placement"]


@pytest.fixture
def fresh(clickhouse_addresses: tuple[Address, ...]) -> Iterator[ClickHouse]:
    """A client of a database that does not exist yet."""
    address = replace(clickhouse_addresses[0], database="migration_test")
    server = ClickHouse(replace(address, database=""))
    server.run_text("DROP DATABASE IF EXISTS migration_test SYNC")
    client = ClickHouse(address)
    yield client
    client.close()
    server.run_text("DROP DATABASE IF EXISTS migration_test SYNC")
    server.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two migrations, the second of two statements."""
    (tmp_path / "0001_one.sql").write_text("-- one;\nCREATE TABLE IF NOT EXISTS one (x Int8) ENGINE = Memory;\n")
    (tmp_path / "0002_two.sql").write_text(
        "CREATE TABLE IF NOT EXISTS two (x Int8) ENGINE = Memory;\n"
        "CREATE TABLE IF NOT EXISTS three (x String DEFAULT 'a;b') ENGINE = Memory;\n"
    )
    return tmp_path


def test_the_first_run_makes_the_database_and_applies_all_and_the_second_nothing(fresh: ClickHouse) -> None:
    assert migrate(fresh.addresses) == OURS
    assert migrate(fresh.addresses) == []
    assert fresh.query("total_rows") == [(0, 0)]


def test_only_new_files_are_applied_in_order_of_their_names(fresh: ClickHouse, folder: Path) -> None:
    migrate(fresh.addresses, folder)
    (folder / "0003_four.sql").write_text("CREATE TABLE IF NOT EXISTS four (x Int8) ENGINE = Memory;")
    assert migrate(fresh.addresses, folder) == ["0003_four"]


def test_a_file_that_was_changed_after_it_was_applied_is_refused_before_anything_runs(
    fresh: ClickHouse, folder: Path
) -> None:
    migrate(fresh.addresses, folder)
    file = folder / "0001_one.sql"
    file.write_text(file.read_text() + "-- a remark\n")
    (folder / "0003_four.sql").write_text("CREATE TABLE IF NOT EXISTS four (x Int8) ENGINE = Memory;")
    with pytest.raises(SchemaChanged, match=r"0001_one\.sql was changed after it was applied"):
        migrate(fresh.addresses, folder)
    fresh.run_text("CREATE TABLE four (x Int8) ENGINE = Memory")


def test_a_file_that_failed_half_way_is_not_recorded_and_is_finished_by_the_next_run(
    fresh: ClickHouse, folder: Path
) -> None:
    file = folder / "0002_two.sql"
    whole = file.read_text()
    file.write_text(whole.replace("x String", "x NoSuchType"))
    with pytest.raises(ClickHouseRejected):
        migrate(fresh.addresses, folder)
    file.write_text(whole)
    assert migrate(fresh.addresses, folder) == ["0002_two"]
    fresh.run_text("INSERT INTO three SELECT 'x'")


def test_two_runners_at_once_do_no_harm(fresh: ClickHouse) -> None:
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def run() -> None:
        start.wait()
        try:
            migrate(fresh.addresses)
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert [name for name, _ in fresh.nodes[0].run("statements", "applied_migrations", {})] == [
        "0001_trades_local",
        "0002_shard_epochs",
        "0003_revoked_claims",
        "0004_placement",
    ]


def test_the_command_says_what_it_applied(migrated_clickhouse: ClickHouse) -> None:
    out = StringIO()
    call_command("migrate_clickhouse", stdout=out)
    assert "nothing to apply" in out.getvalue()


def test_tables_that_are_not_there_yet_are_a_sentence_that_names_the_command(fresh: ClickHouse) -> None:
    with pytest.raises(ClickHouseRejected, match=r"manage\.py migrate_clickhouse"):
        fresh.query("total_rows")
