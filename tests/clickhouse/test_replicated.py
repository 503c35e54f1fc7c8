"""The replicated form of the table of trades in deploy/clickhouse: the migration, but for its engine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

from dataprovider.clickhouse import Address, ClickHouse, ClickHouseUnavailable, migrate
from dataprovider.clickhouse.cluster import CLUSTER
from dataprovider.clickhouse.errors import translated
from dataprovider.embedded.clickhouse import ClickHouse as Embedded
from dataprovider.embedded.ports import LOOPBACK, Ports
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "deploy" / "clickhouse"
MIGRATION = (files("dataprovider.clickhouse") / "migrations" / "0001_trades_local.sql").read_text(encoding="utf-8")
REPLICATED = (FOLDER / "replicated.sql").read_text(encoding="utf-8")

#: What a table consists of, as ClickHouse itself says it.
SHAPE = {
    "columns": "SELECT name, type, default_kind, default_expression, compression_codec FROM system.columns"
    " WHERE database = %(database)s AND table = 'trades_local' ORDER BY position",
    "projections": "SELECT name, type, sorting_key, query FROM system.projections"
    " WHERE database = %(database)s AND table = 'trades_local' ORDER BY name",
    "keys": "SELECT partition_key, sorting_key, primary_key, sampling_key FROM system.tables"
    " WHERE database = %(database)s AND name = 'trades_local'",
}


class WithKeeper(Embedded):
    """An embedded ClickHouse with the stand-in for Keeper that every ClickHouse has for tests.

    It makes replicated tables; it has no port for other replicas, so they take no inserts here.
    """

    def _cluster(self) -> str:
        return (
            "  <zookeeper><implementation>testkeeper</implementation></zookeeper>\n"
            "  <macros><shard>1</shard><replica>one</replica></macros>\n"
        )


@pytest.fixture
def replica(tmp_path: Path) -> Iterator[Address]:
    """A server of the test's own that can have replicated tables."""
    service = WithKeeper(tmp_path, {})
    service.choose_ports(Ports(tmp_path, {}))
    service.prepare()
    (tmp_path / "logs").mkdir()
    launch = service.launch()
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            launch.command, cwd=launch.folder, env=launch.environment(), stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_until(lambda: process.poll() is not None or service.is_ready(), 30, "ClickHouse to answer")
        names = ("DATABASE", "USERNAME", "PASSWORD")
        said = [service.variables()[f"CLICKHOUSE_{name}"] for name in names]
        yield Address(LOOPBACK, service.port, *said)
    finally:
        process.terminate()
        process.wait(timeout=30)


def ask(address: Address, query: str) -> Any:
    client = Client(
        address.host, address.port, user=address.username, password=address.password, database=address.database
    )
    try:
        return client.execute(query, {"database": address.database})
    finally:
        client.disconnect()


def shape(address: Address) -> dict[str, Any]:
    return {name: ask(address, query) for name, query in SHAPE.items()}


def settings(text: str) -> dict[str, str]:
    return dict(re.findall(r"^    (\w+) = ([^,;\n]+)", text.partition("\nSETTINGS\n")[2], re.MULTILINE))


def test_the_table_is_made_before_the_migrations_and_is_theirs_but_for_its_engine(
    migrated_clickhouse: ClickHouse, replica: Address
) -> None:
    """As deploy/clickhouse/README.md says: first the replicated form, then `migrate_clickhouse`."""
    client = ClickHouse(replica)
    client.run_text(re.sub(r"^--.*\n", "", REPLICATED, flags=re.MULTILINE).rstrip().removesuffix(";"))
    assert "0001_trades_local" in migrate(replica)
    client.close()
    expected = shape(migrated_clickhouse.addresses[0])
    assert [len(expected[name]) for name in ("columns", "projections", "keys")] == [9, 2, 1]
    assert shape(replica) == expected
    assert ask(replica, "SELECT engine FROM system.tables WHERE name = 'trades_local'") == [("ReplicatedMergeTree",)]
    others = "SELECT count() FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replicated%%'"
    assert ask(replica, others) == [(1,)]


def test_both_forms_have_the_same_settings_and_remember_as_many_tokens() -> None:
    ours, theirs = settings(MIGRATION), settings(REPLICATED)
    assert theirs.pop("replicated_deduplication_window") == ours.pop("non_replicated_deduplication_window")
    # A week: as long as a batch may wait on a disk, since by time alone nothing of it is to be forgotten earlier.
    assert int(theirs.pop("replicated_deduplication_window_seconds")) == 7 * 86_400
    assert theirs == ours != {}


def test_the_example_of_the_configuration_has_what_the_statement_needs() -> None:
    whole = ElementTree.parse(FOLDER / "replicated.xml").getroot()
    macros = {each.tag for each in whole.find("macros") or []}
    assert set(re.findall(r"\{(\w+)\}", re.findall(r"ReplicatedMergeTree\(.*\)", REPLICATED)[0])) == {
        *macros,
        "database",
    }
    for needed in ("zookeeper/node/host", "interserver_http_host", "interserver_http_credentials/password"):
        assert whole.findtext(needed), needed
    assert whole.find(f"remote_servers/{CLUSTER}/shard/replica/host") is not None


@pytest.mark.parametrize("code", [225, 242, 285, 286, 319, 999])
def test_a_replica_without_its_keeper_or_the_others_is_away_for_now(code: int) -> None:
    """Codes of ClickHouse/src/Common/ErrorCodes.cpp: a refusal would make a gap of the batch."""
    error = translated(
        ServerException("DB::Exception: not now", code), Address(LOOPBACK, 9000, "trades", "default", "")
    )
    assert isinstance(error, ClickHouseUnavailable)
