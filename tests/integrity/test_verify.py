"""`manage.py verify`: the table read anew; what is missing, twice or absent; the exit status; the archives."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django.fixtures import Settings

from collectors.models import GapStatus, ShardLease, Symbol
from dataprovider.clickhouse import ClickHouse, ClickHouseUnavailable
from dataprovider.clickhouse.shards import shard_of
from integrity.models import MonthCheck
from tests.clickhouse.trades import NEW_YEAR, Row, store
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Stored
from tests.integrity.archives import Overlay, day_of_trades
from tests.integrity.rows import make_gap, make_symbol

pytestmark = pytest.mark.django_db(transaction=True)

STEP = 3 * 3_600_000


@pytest.fixture
def symbol() -> Symbol:
    return make_symbol()


def trades(without: set[int] | None = None, *, name: str = "BTCUSDT") -> list[Row]:
    """Ids 50 to 349, one each three hours."""
    return [
        Row(50 + n, NEW_YEAR + n * STEP, first=n, symbol=name) for n in range(300) if 50 + n not in (without or set())
    ]


def verify(*arguments: str) -> tuple[int, str]:
    """Exit status and standard output."""
    out = io.StringIO()
    try:
        call_command("verify", *arguments, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue()
    return 0, out.getvalue()


def report(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    status, out = verify(*arguments, "--json")
    return status, json.loads(out)


def test_a_complete_symbol_ends_with_0(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, trades())
    assert report() == (
        0,
        [
            {
                "symbol": "BTCUSDT",
                "first_id": 50,
                "last_id": 349,
                "count": 300,
                "missing": [],
                "duplicates": 0,
                "twins": 0,
                "absent_upstream": [],
                "complete": True,
                "collected": False,
            }
        ],
    )
    status, text = verify()
    assert status == 0
    assert text.splitlines()[1].split() == ["BTCUSDT", "50", "349", "300", "0", "0", "0", "yes"]
    assert text.splitlines()[-1] == "1 of 1 complete."


def test_missing_twice_and_absent_are_told_apart(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = trades(without={60, 61, 100, 200, 201})
    store(clickhouse, [*rows, rows[20]._replace(first=9999)])
    store(clickhouse, [rows[30]])
    make_gap(symbol, 198, 200, status=GapStatus.ABSENT_UPSTREAM, evidence={"source": "archive"})
    status, (found,) = report()
    assert status == 1
    assert found["missing"] == [
        {"first_id": 60, "last_id": 61},
        {"first_id": 100, "last_id": 100},
        {"first_id": 201, "last_id": 201},
    ]
    assert found["absent_upstream"] == [{"first_id": 200, "last_id": 200, "evidence": {"source": "archive"}}]
    assert (found["duplicates"], found["twins"], found["count"], found["complete"]) == (1, 1, 297, False)
    text = verify()[1]
    assert "missing: 60–61, 100, 201" in text
    assert "absent upstream: 200" in text


def test_absent_ids_alone_leave_it_complete(clickhouse: ClickHouse, symbol: Symbol) -> None:
    store(clickhouse, trades(without={200}))
    make_gap(symbol, 200, 200, status=GapStatus.ABSENT_UPSTREAM)
    assert report()[0] == 0


@pytest.mark.parametrize("spacing", [1, 60_000])
def test_count_and_sum_that_are_right_prove_nothing(clickhouse: ClickHouse, symbol: Symbol, spacing: int) -> None:
    rows = [Row(n, NEW_YEAR + n * spacing, first=n) for n in range(1, 13)]
    store(clickhouse, [row for row in rows if row.aggregate_id not in (5, 8)])
    store(clickhouse, [row for row in rows if row.aggregate_id in (6, 7)])
    status, (found,) = report()
    assert status == 1
    assert found["missing"] == [{"first_id": 5, "last_id": 5}, {"first_id": 8, "last_id": 8}]
    assert (found["count"], found["duplicates"]) == (12, 2)


def test_the_table_is_read_and_not_what_checks_remember(clickhouse: ClickHouse, symbol: Symbol) -> None:
    from integrity.checks.check import IntegrityCheck

    store(clickhouse, trades(without={100}))
    IntegrityCheck(clickhouse).run()
    MonthCheck.objects.update(missing=0, result="proved", runs=[[0, 10**9, 10**9, 10**9]])
    assert report()[1][0]["missing"] == [{"first_id": 100, "last_id": 100}]


def test_what_still_arrives_is_left_out_while_somebody_collects(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = [Row(n, NEW_YEAR + n * 1000, first=n) for n in range(1, 601) if n not in (290, 590)]
    store(clickhouse, rows)
    until = timezone.now() + timedelta(minutes=1)
    lease = ShardLease.objects.update_or_create(shard=shard_of("BTCUSDT"), defaults={"epoch": 1, "expires_at": until})[
        0
    ]
    (found,) = report()[1]
    assert found["missing"] == [{"first_id": 290, "last_id": 290}]
    assert (found["last_id"], found["count"], found["collected"]) == (539, 538, True)
    assert "but for its newest minute" in verify()[1]
    lease.delete()
    (found,) = report()[1]
    assert [each["first_id"] for each in found["missing"]] == [290, 590]
    assert (found["last_id"], found["count"]) == (600, 598)


def test_a_day_that_is_not_over_is_read_row_by_row_too(clickhouse: ClickHouse, symbol: Symbol) -> None:
    rows = [Row(n, NEW_YEAR + n * 1000, first=n) for n in range(1, 601)]
    # All in the second minute, and count and sum are right.
    store(clickhouse, [row for row in rows if row.aggregate_id not in (75, 78)])
    store(clickhouse, [row for row in rows if row.aggregate_id in (76, 77)])
    until = timezone.now() + timedelta(minutes=1)
    ShardLease.objects.create(shard=shard_of("BTCUSDT"), epoch=1, expires_at=until)
    (found,) = report()[1]
    assert [each["first_id"] for each in found["missing"]] == [75, 78]
    assert (found["duplicates"], found["last_id"]) == (2, 539)


def test_named_symbols_alone_are_verified(clickhouse: ClickHouse, symbol: Symbol) -> None:
    make_symbol("IDLEUSDT")
    store(clickhouse, [*trades(), *trades(without={70}, name="ETHUSDT")])
    assert [each["symbol"] for each in report()[1]] == ["BTCUSDT", "ETHUSDT"]
    assert report("btcusdt")[0] == 0
    assert report("ETHUSDT")[0] == 1
    # Nothing is stored of it: that is not complete.
    status, (found,) = report("IDLEUSDT")
    assert (status, found["count"], found["first_id"], found["complete"]) == (1, 0, None, False)


def test_a_symbol_that_nobody_knows_ends_with_2(clickhouse: ClickHouse, symbol: Symbol) -> None:
    with pytest.raises(CommandError, match="There is no symbol NONE here") as caught:
        call_command("verify", "NONE")
    assert caught.value.returncode == 2


def test_an_empty_table_is_complete(clickhouse: ClickHouse) -> None:
    assert report() == (0, [])
    assert verify() == (0, "No trade is stored.\n")


def test_a_store_that_is_away_is_an_error_of_one_sentence(db: None, settings: Settings) -> None:
    away = {"clickhouse_host": "127.0.0.1", "clickhouse_native_port": 1, "clickhouse_nodes": ""}
    settings.CONFIG = settings.CONFIG.model_copy(update=away)
    # manage.py makes of it the sentence and the exit status 2.
    with pytest.raises(ClickHouseUnavailable):
        call_command("verify")


DAYS = ["2024-03-01", "2024-03-02", "2024-03-03", "2024-03-04"]
PER_DAY = 300


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    return Overlay(tmp_path / "overlay")


@pytest.fixture
def archive(
    start_exchange: Callable[..., RunningExchange], overlay: Overlay, tmp_path: Path, settings: Settings
) -> RunningExchange:
    """An exchange whose archives of BTCUSDT are what a test lays over."""
    exchange = start_exchange(symbols=2, rate=1, history_days=1, archive_overlay=overlay.folder)
    settings.CONFIG = settings.CONFIG.model_copy(
        update={
            "binance_archive_url": exchange.url,
            "binance_archive_listing_url": f"{exchange.url}/listing",
            "dataprovider_home": tmp_path / "home",
        }
    )
    return exchange


def days_of_trades() -> list[list[Stored]]:
    return [day_of_trades(day, 1000 + n * PER_DAY, PER_DAY) for n, day in enumerate(DAYS)]


def put(clickhouse: ClickHouse, found: list[list[Stored]]) -> None:
    store(clickhouse, [Row(a, at, p, q, f, last, maker) for day in found for a, p, q, f, last, at, maker in day])


def archive_home() -> Path:
    home: Path = settings.CONFIG.dataprovider_home
    return home


def against_archive() -> tuple[int, dict[str, dict[str, Any]]]:
    status, (found,) = report("BTCUSDT", "--against-archive")
    return status, {each["day"]: each for each in found["archive"]}


def test_days_that_equal_the_archive_are_told_by_their_fingerprint(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    days = days_of_trades()
    for day, found in zip(DAYS, days, strict=True):
        overlay.write(day, found)
    put(clickhouse, days)
    status, verdicts = against_archive()
    assert status == 0
    assert [(day, each["verdict"], each["stored"]) for day, each in verdicts.items()] == [
        (day, "equal", PER_DAY) for day in DAYS
    ]
    assert not list((archive_home() / "downloads").iterdir())
    assert "archive: 4 days equal" in verify("--against-archive")[1]


def test_each_difference_has_its_name(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    days = days_of_trades()
    more, less, differs = days[0], days[1], days[2]
    overlay.write(DAYS[0], [trade for n, trade in enumerate(more) if n not in (7, 8, 250)])
    overlay.write(DAYS[1], less)
    dearer = (differs[5][0], differs[5][1] + 10**7, *differs[5][2:])
    overlay.write(DAYS[2], [*differs[:5], dearer, *differs[6:]])
    overlay.write(DAYS[3], [*days[3], *days[3][:40]])
    put(clickhouse, [more, [*less[:100], *less[110:]], differs, days[3]])
    status, verdicts = against_archive()
    assert status == 1
    assert [verdicts[day]["verdict"] for day in DAYS] == ["stored_has_more", "stored_has_less", "differs", "equal"]
    assert verdicts[DAYS[0]]["extra"] == [{"first_id": 1007, "last_id": 1008}, {"first_id": 1250, "last_id": 1250}]
    assert verdicts[DAYS[1]]["missing"] == [{"first_id": 1400, "last_id": 1409}]
    assert verdicts[DAYS[2]]["changed"] == [{"first_id": 1605, "last_id": 1605}]
    assert f"{DAYS[1]}: stored has less; not stored 1400–1409" in verify("--against-archive")[1]


def test_a_trade_that_is_stored_twice_is_more_than_the_archive_has(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    days = days_of_trades()[:1]
    overlay.write(DAYS[0], days[0])
    put(clickhouse, days)
    put(clickhouse, [days[0][3:4]])
    status, verdicts = against_archive()
    assert status == 1
    assert (verdicts[DAYS[0]]["verdict"], verdicts[DAYS[0]]["note"]) == ("stored_has_more", "1 rows are stored twice")


def test_twins_are_compared_as_two_trades(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    (day,) = days_of_trades()[:1]
    twin = (day[9][0], day[9][1], day[9][2], 77, *day[9][4:])
    overlay.write(DAYS[0], [*day[:10], twin, *day[10:]])
    put(clickhouse, [day])
    assert against_archive()[1][DAYS[0]]["missing"] == [{"first_id": 1009, "last_id": 1009}]
    put(clickhouse, [[twin]])
    assert against_archive()[1][DAYS[0]]["verdict"] == "equal"


def test_a_day_without_a_file_of_its_own_is_compared_with_the_months(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    days = days_of_trades()
    overlay.write(DAYS[0], days[0])
    overlay.write("2024-03", [trade for day in days[:3] for trade in day])
    put(clickhouse, days)
    status, verdicts = against_archive()
    assert status == 0
    assert [verdicts[day]["verdict"] for day in DAYS] == ["equal", "equal", "equal", "no_archive"]
    assert verdicts[DAYS[1]]["file"] == "BTCUSDT-aggTrades-2024-03.zip"
    assert verdicts[DAYS[3]]["note"] == "the exchange has no archive of it"


def test_days_outside_of_what_is_published_say_so(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    days = days_of_trades()
    overlay.write(DAYS[1], days[1], symbol="OLDUSDT")
    overlay.write(DAYS[2], days[2], symbol="OLDUSDT")
    rows = [Row(a, at, p, q, f, last, maker, "OLDUSDT") for day in days for a, p, q, f, last, at, maker in day]
    store(clickhouse, rows)
    _, (found,) = report("OLDUSDT", "--against-archive")
    assert [(each["verdict"], each.get("note", "")) for each in found["archive"]] == [
        ("no_archive", "the exchange's archives begin on 2024-03-02"),
        ("equal", ""),
        ("equal", ""),
        ("no_archive", "not published yet"),
    ]


def test_an_archive_that_does_not_match_its_checksum_tells_nothing(
    clickhouse: ClickHouse, symbol: Symbol, archive: RunningExchange, overlay: Overlay
) -> None:
    days = days_of_trades()[:2]
    for day, found in zip(DAYS, days, strict=False):
        overlay.write(day, found)
    overlay.checksum(DAYS[0], f"{'0' * 64}  x\n")
    put(clickhouse, days)
    status, verdicts = against_archive()
    assert status == 2
    assert (verdicts[DAYS[0]]["verdict"], verdicts[DAYS[1]]["verdict"]) == ("bad_archive", "equal")


def test_an_archive_that_is_not_reachable_ends_with_2(
    clickhouse: ClickHouse, symbol: Symbol, settings: Settings
) -> None:
    store(clickhouse, trades())
    settings.CONFIG = settings.CONFIG.model_copy(
        update={"binance_archive_url": "http://127.0.0.1:1", "binance_archive_listing_url": "http://127.0.0.1:1"}
    )
    with pytest.raises(CommandError, match="archive does not answer") as caught:
        call_command("verify", "--against-archive")
    assert caught.value.returncode == 2


def test_trades_are_compared_in_pieces_without_losing_one_in_between() -> None:
    from integrity.checks.verifydays import _windows
    from tests.clickhouse.trades import columns

    def piece(*ids: int) -> Any:
        return columns([Row(each, first=n) for n, each in enumerate(ids)])

    windows = list(_windows([piece(3, 4, 5), piece(5, 5), piece(5, 9), piece(12)]))
    assert [(first, last) for first, last, _ in windows] == [(0, 4), (5, 8), (9, 11), (12, 2**63)]
    assert [each.aggregate_id.tolist() for _, _, each in windows if each is not None] == [[3, 4], [5] * 4, [9], [12]]
    assert list(_windows([])) == [(0, 2**63, None)]
