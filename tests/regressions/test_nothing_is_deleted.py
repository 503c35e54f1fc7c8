"""Failures 8 and 10 of the original: neither a check nor a recovery takes away a row that is there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from collectors.models import Gap, GapStatus, ShardLease
from dataprovider.clickhouse import ClickHouse
from dataprovider.clickhouse.shards import shard_of
from integrity.checks.check import IntegrityCheck
from integrity.models import JobStatus
from integrity.recovery import queue
from integrity.recovery.planner import day_of, start_of
from tests.fixtures_exchange import RunningExchange
from tests.fixtures_recovery import Recovery, Stored
from tests.integrity.test_rest_recovery import some_ids, store

StartExchange = Callable[..., RunningExchange]
MakeRecovery = Callable[..., Recovery]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("api", "collectors", "dataprovider", "integrity")

#: Whatever makes ClickHouse take rows away or change them: by a statement, a mutation, a TTL or a merge.
TAKES_AWAY = re.compile(
    r"\b(DELETE\s+FROM|DELETE\s+WHERE|TRUNCATE|DROP|DETACH|REPLACE|EXCHANGE|RENAME|OPTIMIZE|ALTER|TTL|"
    r"(Replacing|Collapsing|VersionedCollapsing|Summing|Aggregating|Coalescing)MergeTree)\b",
    re.IGNORECASE,
)
#: The same in Python, where most of these words are ordinary ones.
TAKES_AWAY_IN_PYTHON = re.compile(
    r"\b(DELETE\s+FROM|ALTER\s+TABLE|OPTIMIZE\s+TABLE|(DROP|TRUNCATE|DETACH|RENAME|EXCHANGE)\s+"
    r"(TABLE|TABLES|DATABASE|PARTITION|PART|PROJECTION|COLUMN))\b|\bDELETE\s+WHERE\b"
)

#: What a move of a shard to another node is made of (dataprovider/clickhouse/moving.py is its only user). Partitions
#: change tables, and one is dropped only where an equal one lies on the other node: tests/clickhouse/test_placement.py.
OF_A_MOVE = {"arrive", "leave", "drop_partition", "drop_staging", "sync_staging"}
#: No trade lies in it: it reads the tables of other nodes.
WITHOUT_TRADES = {"create_trades"}


def without_comments(statement: str) -> str:
    return re.sub(r"--[^\n]*", "", statement)


def strings(source: str) -> list[str]:
    """Every string literal of a Python file, docstrings too."""
    return [
        node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant) and type(node.value) is str
    ]


def test_no_statement_takes_trades_away() -> None:
    """Failure 8 of the original: its check deleted through today. Here there is no statement to do it with."""
    files = sorted((ROOT / "dataprovider" / "clickhouse").rglob("*.sql"))
    assert len(files) > 20
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path.stem not in OF_A_MOVE | WITHOUT_TRADES
        if (match := TAKES_AWAY.search(without_comments(path.read_text(encoding="utf-8"))))
    ]
    assert found == []


def test_only_a_move_uses_the_statements_of_a_move() -> None:
    named = re.compile("|".join(f'"{name}"' for name in sorted(OF_A_MOVE)))
    users = [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if named.search(path.read_text(encoding="utf-8"))
    ]
    assert users == ["dataprovider/clickhouse/moving.py"]


def test_no_python_file_takes_trades_away() -> None:
    """Failure 8 of the original: nor is there one in Python."""
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for text in strings(path.read_text(encoding="utf-8"))
        if (match := TAKES_AWAY_IN_PYTHON.search(text))
    ]
    assert found == []


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE trades_local DELETE WHERE symbol = 'X'",
        "DELETE FROM trades_local",
        "ALTER TABLE x DROP PARTITION 1",
        "TRUNCATE TABLE trades_local",
        "OPTIMIZE TABLE trades_local FINAL DEDUPLICATE",
    ],
)
def test_the_search_finds_such_statements(statement: str) -> None:
    """Failure 8 of the original: what the two searches above look for."""
    assert TAKES_AWAY.search(statement)
    assert TAKES_AWAY_IN_PYTHON.search(statement)


def days(clickhouse: ClickHouse) -> list[tuple[int, ...]]:
    """Of each day of BTCUSDT: count, bounds, sum and fingerprint of its rows."""
    rows = clickhouse.query("symbol_days", symbol="BTCUSDT", since=0, until=2**32 - 1)
    return [tuple(int(value) for value in row) for row in rows]


def collected_now() -> None:
    """Somebody holds the shard of BTCUSDT: it is a live symbol."""
    until = timezone.now() + timedelta(minutes=5)
    ShardLease.objects.update_or_create(shard=shard_of("BTCUSDT"), defaults={"epoch": 1, "expires_at": until})


def test_a_check_of_a_live_symbol_takes_nothing_away_and_today_is_fetched_again(
    quiet_exchange: RunningExchange, recovery: MakeRecovery
) -> None:
    """Failure 8 of the original: for a live symbol the check deleted through today and never fetched today again."""
    recovered = recovery(quiet_exchange)
    recovered.symbol()
    collected_now()
    # Three minutes and more: what is younger than two beside the newest trade is not judged.
    first = some_ids(recovered, 4500)
    published = recovered.published(first, first + 4499)
    store(recovered, [*published[:1000], *published[1049:]], "live")
    before, rows = days(recovered.store), recovered.stored()
    assert sum(day[1] for day in before) == 4451
    run = IntegrityCheck(recovered.store).run(["BTCUSDT"])
    assert (run.missing, run.gaps_opened) == (49, 1)
    assert (days(recovered.store), recovered.stored()) == (before, rows)
    (job,) = recovered.run()
    assert (job.status, job.rows_stored) == (JobStatus.DONE, 49)
    assert recovered.stored() == published
    after = days(recovered.store)
    assert IntegrityCheck(recovered.store).run(["BTCUSDT"]).missing == 0
    assert days(recovered.store) == after
    assert Gap.objects.get().status == GapStatus.RECOVERED


def test_a_recovery_whose_archive_is_late_leaves_what_is_stored(
    start_exchange: StartExchange, recovery: MakeRecovery
) -> None:
    """Failure 10 of the original: it deleted first, then found that yesterday's archive was not there yet. Here a gap
    of yesterday and the whole of yesterday are asked for."""
    exchange = start_exchange(symbols=1, rate=0.05, history_days=2, archive_delay_hours=-1)
    # REST looks back an hour for recovery (and two days for this test): yesterday has to come from its archive.
    recovered = recovery(exchange, binance_rest_lookback_hours=1)
    yesterday = day_of(exchange.get("/fapi/v1/time")["serverTime"]) - timedelta(days=1)
    published = trades_of_the_day(recovered, start_of(yesterday))
    assert len(published) > 1000
    third = len(published) // 3
    store(recovered, [*published[:third], *published[2 * third :]], "live")
    before, rows = days(recovered.store), recovered.stored()
    exchange.fault("archive", kind="late", symbol="BTCUSDT", date=yesterday.isoformat())
    recovered.gap(published[third][0], published[2 * third - 1][0])
    queue.add_days_job(recovered.symbol(), yesterday, yesterday, source="auto", batch="test")
    for _ in range(2):
        jobs = recovered.again()
        assert [job.status for job in jobs] == [JobStatus.PENDING] * 2
        assert all(yesterday.isoformat() in job.reason for job in jobs)
        assert (days(recovered.store), recovered.stored()) == (before, rows)
    exchange.delete("/simulator/faults")
    jobs = recovered.again()
    assert [(job.status, job.rows_stored) for job in jobs] == [(JobStatus.DONE, third), (JobStatus.DONE, 0)]
    assert recovered.stored() == published


def trades_of_the_day(recovery: Recovery, start_ms: int) -> list[Stored]:
    """Everything BTCUSDT traded on the day that begins at `start_ms`."""
    first: list[int] = []
    for hour in (start_ms, start_ms + 86_400_000):
        found: list[dict[str, int]] = []
        while not found:
            found = recovery.exchange.get(
                "/fapi/v1/aggTrades", symbol="BTCUSDT", startTime=hour, endTime=hour + 3_599_999, limit=1
            )
            hour += 3_600_000
        first.append(found[0]["a"])
    return recovery.published(first[0], first[1] - 1)
