"""`manage.py backfill` as a user runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from collectors.models import Gap, GapStatus, Symbol
from dataprovider.clickhouse import ClickHouse
from integrity.models import JobStatus, RecoveryJob, SymbolTrust
from tests.collectors.test_real_data import archived_rows, stored_rows
from tests.fixtures_collectors import ROOT, database_url
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.test_rest_recovery import store
from tests.shared_data import SHARED_DATA, needs_shared_data
from tests.waiting import wait_until

StartExchange = Callable[..., RunningExchange]
MakeRecovery = Callable[..., Recovery]


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path / "overlay")


@pytest.fixture
def recovered(start_exchange: StartExchange, recovery: MakeRecovery, overlay: Overlay) -> Recovery:
    return recovery(start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder))


def environ(recovery: Recovery) -> dict[str, str]:
    return {
        **os.environ,
        "DATABASE_URL": database_url(),
        "DATAPROVIDER_HOME": str(recovery.config.dataprovider_home),
        "BINANCE_REST_URL": recovery.exchange.url,
        "BINANCE_ARCHIVE_URL": recovery.exchange.url,
        "BINANCE_ARCHIVE_LISTING_URL": f"{recovery.exchange.url}/listing",
    }


def command(recovery: Recovery, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "backfill", *arguments],
        cwd=ROOT,
        env=environ(recovery),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_history_comes_in_twice_over_changes_nothing_and_where_it_begins_is_known(
    recovered: Recovery, overlay: Overlay
) -> None:
    trades = [*day_of_trades("2024-02-29", 100, 300), *day_of_trades("2024-03-01", 400, 300)]
    overlay.write("2024-02-29", trades[:300])
    overlay.write("2024-03-01", trades[300:])
    first = command(recovered, "BTCUSDT", "--from", "2024-02-29", "--to", "2024-03-01")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "2 jobs for 1 symbol," in first.stdout
    assert "600 trades stored, 600 read" in first.stdout
    assert recovered.stored() == trades
    again = command(recovered, "btcusdt", "--from", "2024-02-29", "--to", "2024-03-01")
    assert again.returncode == 0, again.stderr
    assert "0 trades stored" in again.stdout
    assert recovered.stored() == trades
    trust = SymbolTrust.objects.get()
    assert (trust.first_id, trust.trust_id) == (100, 699)
    assert trust.origin["first_archived_day"] == "2024-02-29"


def test_what_the_check_finds_afterwards_is_fetched_too(recovered: Recovery, overlay: Overlay) -> None:
    """Rows cut out of a day that is not asked for: the check sees the hole between, and its archive fills it."""
    days = [day_of_trades(f"2024-03-0{n}", 100 + 300 * n, 300) for n in (1, 2, 3)]
    for number, day in enumerate(days, start=1):
        overlay.write(f"2024-03-0{number}", day)
    store(recovered, days[0][:250], "live")
    done = command(recovered, "BTCUSDT", "--from", "2024-03-03", "--to", "2024-03-03")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recovered.stored() == [*days[0], *days[1], *days[2]]
    assert Gap.objects.get().status == GapStatus.RECOVERED


def test_a_delisted_contract_is_found_by_its_archives(recovered: Recovery, overlay: Overlay) -> None:
    trades = day_of_trades("2022-05-12", 7, 50)
    overlay.write("2022-05-12", trades, "LUNAUSDT")
    done = command(recovered, "LUNAUSDT", "--from", "2022-01-01", "--to", "2022-05-12", "--source", "archive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recovered.stored("LUNAUSDT") == trades
    symbol = Symbol.objects.get(name="LUNAUSDT")
    assert (symbol.status, symbol.enabled) == ("DELISTED", False)


def test_ctrl_c_stops_in_order_and_the_same_command_goes_on(recovered: Recovery, overlay: Overlay) -> None:
    days = {f"2024-03-{n:02}": day_of_trades(f"2024-03-{n:02}", 1 + 3000 * n, 3000) for n in range(1, 29)}
    for date, trades in days.items():
        overlay.write(date, trades)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "backfill", "BTCUSDT", "--from", "2024-03-01", "--to", "2024-03-28"],
        cwd=ROOT,
        env=environ(recovered),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait_until(lambda: recovered.store.query("total_rows")[0][0] > 6000, 40, "some days")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130, output
    assert "goes on where it was" in output
    assert "Traceback" not in output
    left = RecoveryJob.objects.get()
    assert left.status == JobStatus.PENDING
    assert 0 < left.units_done < 28
    done = command(recovered, "BTCUSDT", "--from", "2024-03-01", "--to", "2024-03-28")
    assert done.returncode == 0, done.stdout + done.stderr
    assert recovered.stored() == [trade for day in days.values() for trade in day]
    assert RecoveryJob.objects.get().rows_stored == 28 * 3000
    by_this_run = re.search(r"([\d,]+) trades stored", done.stdout)
    assert by_this_run is not None
    assert 0 < int(by_this_run[1].replace(",", "")) <= 28 * 3000 - left.rows_stored


def test_what_has_to_wait_is_said_with_its_reason_and_is_not_a_success(
    start_exchange: StartExchange, recovery: MakeRecovery
) -> None:
    exchange = start_exchange(symbols=2, rate=1, history_days=3, archive_delay_hours=9000)
    recovered = recovery(exchange)
    from datetime import UTC, datetime, timedelta

    now = exchange.get("/fapi/v1/time")["serverTime"]
    day = (datetime.fromtimestamp(now / 1000, UTC) - timedelta(days=3)).date().isoformat()
    done = command(recovered, "BTCUSDT", "--from", day, "--to", day)
    assert done.returncode == 1
    assert f"The archive of {day} is not published yet" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["NOSUCHUSDT", "--from", "2024-01-01"], "There is no contract NOSUCHUSDT"),
        (["../../etc", "--from", "2024-01-01"], "There is no contract"),
        (["BTCUSDT", "--from", "yesterday"], "is not a day such as"),
        (["BTCUSDT", "--from", "2016-01-01"], "before the exchange's first day"),
        (["BTCUSDT", "--from", "2024-02-01", "--to", "2024-01-01"], "is after --to 2024-01-01"),
        (["--from", "2024-01-01"], "Name the symbols"),
        (["BTCUSDT"], "--from"),
        (["BTCUSDT", "--from", "2024-01-01", "--source", "rumour"], "invalid choice"),
    ],
)
def test_wrong_input_is_one_sentence(recovered: Recovery, arguments: list[str], words: str) -> None:
    done = command(recovered, *arguments)
    assert done.returncode not in (0, 1) or "CommandError" in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@needs_shared_data
def test_the_exchanges_own_archives_are_stored_row_by_row(
    start_exchange: StartExchange, recovery: MakeRecovery, clickhouse: ClickHouse
) -> None:
    exchange = start_exchange(archive_dir=SHARED_DATA / "archives", archive_delay_hours=-1, paused=True)
    recovered = recovery(exchange)
    for stored in (354_378, 0):
        done = command(recovered, "BTCUSDT", "ETHUSDT", "--from", "2024-01-01", "--to", "2025-09-01")
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.search(r"([\d,]+) trades stored", done.stdout)
        assert found is not None
        assert int(found[1].replace(",", "")) == stored
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert stored_rows(clickhouse, symbol) == archived_rows(symbol)
