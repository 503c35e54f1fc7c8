"""Rows that are cut out of the table by hand: the check finds exactly those, recovery brings exactly those back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collectors.models import Gap, GapStatus
from dataprovider.clickhouse import ClickHouse
from integrity.checks.check import IntegrityCheck
from integrity.models import JobStatus, SymbolTrust
from tests.fixtures_collectors import ROOT
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery, Stored
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.test_backfill_command import command, environ
from tests.integrity.test_rest_recovery import store
from tests.shared_data import SHARED_DATA, needs_shared_data

StartExchange = Callable[..., RunningExchange]
MakeRecovery = Callable[..., Recovery]

#: Three months, so that they lie in three partitions.
DAYS = ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path / "overlay")


@pytest.fixture
def recovered(start_exchange: StartExchange, recovery: MakeRecovery, overlay: Overlay) -> Recovery:
    return recovery(start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder))


def stored_months(recovery: Recovery, overlay: Overlay) -> list[Stored]:
    """Four days that follow each other by id, stored and checked; in their archives too."""
    trades: list[Stored] = []
    for number, day in enumerate(DAYS):
        of_day = day_of_trades(day, 5000 + 300 * number, 300)
        overlay.write(day, of_day)
        trades += of_day
    recovery.symbol()
    store(recovery, trades, "live")
    assert IntegrityCheck(recovery.store).run().missing == 0
    return trades


def detach(clickhouse: ClickHouse, month: int, shard: int) -> None:
    clickhouse.run_text(f"ALTER TABLE trades_local DROP PARTITION ({month}, {shard})")


@pytest.mark.parametrize(
    ("month", "first", "last"),
    [(202401, 0, 299), (202402, 300, 899), (202403, 900, 1199)],
    ids=["first", "middle", "last"],
)
def test_a_partition_that_is_gone_comes_back_and_nothing_else_is_touched(
    recovered: Recovery, overlay: Overlay, month: int, first: int, last: int
) -> None:
    trades = stored_months(recovered, overlay)
    detach(recovered.store, month, recovered.symbol().shard)
    run = IntegrityCheck(recovered.store).run()
    assert (run.missing, run.gaps_opened) == (last - first + 1, 1)
    gap = Gap.objects.get()
    assert (gap.first_id, gap.last_id) == (trades[first][0], trades[last][0])
    assert IntegrityCheck(recovered.store).run().gaps_opened == 0
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, last - first + 1), job.reason
    assert recovered.stored() == trades
    assert IntegrityCheck(recovered.store).run().missing == 0
    gap.refresh_from_db()
    assert gap.status == GapStatus.RECOVERED
    trust = SymbolTrust.objects.get()
    assert (trust.first_id, trust.trust_id, trust.last_id) == (5000, 6199, 6199)


def test_all_of_a_symbol_that_is_gone_comes_back(recovered: Recovery, overlay: Overlay) -> None:
    trades = stored_months(recovered, overlay)
    recovered.store.run_text("TRUNCATE TABLE trades_local")
    run = IntegrityCheck(recovered.store).run()
    assert (run.missing, run.gaps_opened) == (1200, 1)
    report = verified(recovered, "BTCUSDT")[0]
    assert report["missing"] == [{"first_id": 5000, "last_id": 6199}]
    assert not report["complete"]
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 1200), job.reason
    assert recovered.stored() == trades


def test_verify_says_what_was_cut_off_at_the_ends(recovered: Recovery, overlay: Overlay) -> None:
    stored_months(recovered, overlay)
    assert verified(recovered)[0]["complete"]
    for month in (202401, 202403):
        detach(recovered.store, month, recovered.symbol().shard)
    (report,) = verified(recovered)
    assert report["missing"] == [{"first_id": 5000, "last_id": 5299}, {"first_id": 5900, "last_id": 6199}]
    assert (report["first_id"], report["last_id"], report["count"]) == (5000, 6199, 600)


def verified(recovery: Recovery, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "verify", "--json", *arguments],
        cwd=ROOT,
        env=environ(recovery),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert done.returncode == (0 if all(each["complete"] for each in found) else 1), done.stderr
    return found


@needs_shared_data
def test_real_trades_cut_out_by_hand_come_back_and_agree_with_the_archive(
    start_exchange: StartExchange, recovery: MakeRecovery, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(archive_dir=SHARED_DATA / "archives", archive_delay_hours=-1, paused=True)
    recovered = recovery(exchange)
    done = command(recovered, "BTCUSDT", "ETHUSDT", "--from", "2024-01-01", "--to", "2025-09-01")
    assert done.returncode == 0, done.stdout + done.stderr
    whole = {name: recovered.stored(name) for name in ("BTCUSDT", "ETHUSDT")}
    # An hour of one symbol, and the partition of the other.
    clickhouse.run_text(
        "ALTER TABLE trades_local DELETE WHERE symbol = 'BTCUSDT' AND timestamp >= '2024-01-01 03:00:00' "
        "AND timestamp < '2024-01-01 04:00:00' SETTINGS mutations_sync = 2"
    )
    detach(clickhouse, 202509, recovered.symbol("ETHUSDT").shard)
    hour = [trade for trade in whole["BTCUSDT"] if 1_704_078_000_000 <= trade[5] < 1_704_081_600_000]
    reports = {each["symbol"]: each for each in verified(recovered)}
    assert reports["BTCUSDT"]["missing"] == [{"first_id": hour[0][0], "last_id": hour[-1][0]}]
    assert reports["ETHUSDT"]["missing"] == [{"first_id": whole["ETHUSDT"][0][0], "last_id": whole["ETHUSDT"][-1][0]}]
    IntegrityCheck(clickhouse).run()
    jobs = recovered.run()
    assert sum(job.rows_stored for job in jobs) == len(hour) + 10_001, [job.reason for job in jobs]
    assert {name: recovered.stored(name) for name in whole} == whole
    for report in verified(recovered, "--against-archive"):
        assert report["complete"]
        assert {day["verdict"] for day in report["archive"]} == {"equal"}
